"""How the schema came to be: one module a revision, run by `ingest.stores.metadata.migrate`.

A revision is written by hand: a new module in `versions/` that points to the one before, the same change in
`ingest.stores.metadata.schema`, and its REVISION. A test compares what the revisions build with the tables there.
MySQL commits every statement that changes a table, so a revision must be able to run again after it was cut off.
"""
