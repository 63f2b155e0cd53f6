"""Stage 3: embeddings of many windows → one file of the lake, and a receipt for each window."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.file_traces import FileTraces, TracedRun
from ingest.fingerprint import PEAKS_A_SEGMENT
from ingest.rows import RECEIPT_SCHEMA, table
from ingest.stores import LakeConfig, LakeUnit, open_lake


class WriteLake:
    """Actor body. The receipt is given only when the file is durable; rejects pass through."""

    def __init__(
        self, lake: LakeConfig, home: Path, catalog: str, encoder: str, dim: int, run: TracedRun | None = None
    ) -> None:
        self.lake = open_lake(lake, home, catalog)
        self.traces = FileTraces(run)
        self.encoder, self.dim = encoder, dim

    def __call__(self, embedded: pa.Table) -> pa.Table:
        rows, started_ns = embedded.to_pylist(), time.time_ns()
        units = [self._unit(row) for row in rows if row["code"] is None]
        file = self.lake.write(self.encoder, units).file if units else None
        for row in rows:
            self.traces.add("write", row["trace"], started_ns, window=row["window"], lake_file=file or "")
        return table([row if row["code"] else _receipt(row, file) for row in rows], RECEIPT_SCHEMA)

    def _unit(self, row: dict[str, Any]) -> LakeUnit:
        vectors = np.frombuffer(row["vectors"], np.float16).reshape(-1, self.dim)
        peaks = np.frombuffer(row["peaks"], np.uint16).reshape(-1, PEAKS_A_SEGMENT)
        return LakeUnit(row["recording_id"], row["window"], np.array(row["segments"], np.int32), vectors, peaks)


def _receipt(row: dict[str, Any], file: str | None) -> dict[str, Any]:
    return row | {"stored": len(row["segments"]), "lake_file": file}
