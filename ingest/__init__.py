"""Bulk ingestion of a catalogue, on Ray.

catalog       what a folder, a manifest or a bucket lists
plan          what a run would do, and what it would cost: counted, and measured on a few files
preflight     what stands in the way of a run, all at once
job           one run: the two phases below, in order, under the catalogue's lock

phase 1       embedding  waves of files through the pipeline, committed as they come out
              pipeline   files → lake, the graph on one screen
              decode     a file → windows of samples              CPU actors
              embed      windows → embeddings                     batched CPU or GPU actors
              sink       embeddings → Parquet files of the lake   actors
              receipts   windows that are in the lake → files that are done: the ledger's rows
              early_load begins phase 2 meanwhile, in a thread, where loading is by upsert

phase 2       filling    a generation brought up to the ledger, and verified
              load       lake → the generation's collection, by upsert
              bulk_load  the same by imports into a Milvus server
              verify     what the collection holds against the ledger
              publish    the tracks' rows and the one pointer that the service watches

fingerprint   bytes → embeddings, shared with the service and with training
stores        Milvus, SQL and the lake: one owner of each schema
deletion      what leaves the catalogue
runs, progress, flow, report, metrics, stop     what people see of a run, and how it ends
supervisor    a process of its own for a run, and another one where that dies
nightly       in Kubernetes: the job once more, as a copy of its RayJob
"""
