"""Stage 2: windows → embeddings, many windows a call, on CPU or GPU."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.file_traces import FileTraces, TracedRun
from ingest.fingerprint import Embeddings
from ingest.rows import EMBEDDED_SCHEMA, table


class EmbedWindows:
    """Actor body. Keeps of each window what the catalogue stores: every STORED_STRIDE-th audible embedding, in fp16,
    and the spectral peaks of its segment.
    """

    def __init__(
        self,
        weights: str | None,
        checksum: str,
        device: str,
        threads: int,
        silence_dbfs: float,
        run: TracedRun | None = None,
    ) -> None:
        from ingest.fingerprint.embedder import Embedder  # and torch, which driver and other actors do without

        path = Path(weights) if weights else None
        self.embedder = Embedder.load(path, device=device, threads=threads, silence_dbfs=silence_dbfs)
        if self.embedder.checksum != checksum:
            raise RuntimeError("the encoder's weights differ between this node and the driver")
        self.traces = FileTraces(run)

    def __call__(self, windows: pa.Table) -> pa.Table:
        rows, started, started_ns = windows.to_pylist(), time.perf_counter(), time.time_ns()
        audio = [np.frombuffer(row["samples"], np.int16) for row in rows if row["code"] is None]
        embedded = iter(self.embedder.embed_windows(audio))
        each_s = (time.perf_counter() - started) / max(1, len(audio))
        for row in rows:
            self.traces.add("embed", row["trace"], started_ns, window=row["window"], windows_at_once=len(audio))
        return table([row if row["code"] else _stored(row, next(embedded), each_s) for row in rows], EMBEDDED_SCHEMA)


def _stored(row: dict[str, Any], embeddings: Embeddings, embed_s: float) -> dict[str, Any]:
    stored = embeddings.stored()
    return row | {
        "embed_s": embed_s,
        "segments": stored.segments + row["first_segment"],
        "vectors": stored.vectors.astype(np.float16).tobytes(),
        "peaks": stored.peaks.tobytes(),
    }
