"""The rows between the stages: one a window until the sink, and one for each file that is bad input.

Every row carries the fields of FILE_FIELDS; truncated … content_hash are filled in the last window of a file alone,
code and reason in a reject alone (its window is −1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.stores import Work

MANIFEST_SCHEMA = pa.schema(
    [
        ("recording_id", pa.int64()),
        ("track_id", pa.int64()),
        ("uri", pa.string()),
        ("version", pa.string()),
        ("size_bytes", pa.int64()),
    ]
)
MANIFEST_PAGE = 5_000  # rows
WORK_SCHEMA = pa.schema([("recording_id", pa.int64()), ("uri", pa.string())])

FILE_FIELDS = [
    ("recording_id", pa.int64()),
    ("window", pa.int32()),
    ("last", pa.bool_()),
    ("duration_s", pa.float64()),  # of the window's own part of the file; of the whole file in the last window
    ("truncated", pa.bool_()),
    ("title", pa.string()),
    ("artist", pa.string()),
    ("album", pa.string()),
    ("isrc", pa.string()),
    ("content_hash", pa.string()),
    ("attempt", pa.int32()),  # 2: the source was asked again
    ("decode_s", pa.float64()),  # that reading and decoding took, since the window before
    ("embed_s", pa.float64()),
    ("code", pa.string()),
    ("reason", pa.string()),
    ("trace", pa.string()),  # the span of decoding, of a file that is traced
]
WINDOW_SCHEMA = pa.schema([*FILE_FIELDS, ("first_segment", pa.int32()), ("samples", pa.large_binary())])
EMBEDDED_SCHEMA = pa.schema(
    [
        *FILE_FIELDS,
        ("segments", pa.list_(pa.int32())),
        ("vectors", pa.large_binary()),  # float16
        ("peaks", pa.large_binary()),  # uint16
    ]
)
RECEIPT_SCHEMA = pa.schema([*FILE_FIELDS, ("stored", pa.int32()), ("lake_file", pa.string())])


def write_manifest(work: Iterable[Work], path: Path) -> int:
    """What a run sets out to do, as Parquet, a page of rows in memory at a time; how many files that are."""
    written, remaining = 0, iter(work)
    with pq.ParquetWriter(path, MANIFEST_SCHEMA) as file:
        while page := list(islice(remaining, MANIFEST_PAGE)):
            file.write_table(pa.Table.from_pylist([asdict(item) for item in page], MANIFEST_SCHEMA))
            written += len(page)
    return written


def table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of `schema`; absent fields are null, fields the schema lacks are left out."""
    return pa.Table.from_pylist(rows, schema=schema)
