"""Alembic runs this; the connection comes from `ingest.stores.metadata.migrate`, inside its transaction."""

from alembic import context

from ingest.stores.metadata.schema import TABLES

context.configure(connection=context.config.attributes["connection"], target_metadata=TABLES)
with context.begin_transaction():
    context.run_migrations()
