"""Phase 1 on one screen: the Ray Data graph from files to the lake.

work ──▶ DecodeFiles ──▶ EmbedWindows ──▶ WriteLake ──▶ receipts
         CPU actors      CPU/GPU actors   actors        to the driver, which commits them
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray.data

from ingest.config import IngestConfig
from ingest.decode import DecodeFiles
from ingest.embed import EmbedWindows
from ingest.file_traces import TracedRun
from ingest.model import Model
from ingest.rows import WORK_SCHEMA, table
from ingest.sink import WriteLake
from ingest.stores import Work


@dataclass(frozen=True)
class Stage:
    """What runs, what it is built with, how many of it, and what each takes."""

    actor: type
    arguments: tuple[Any, ...]
    actors: int
    cpus: float
    gpus: float
    batch_rows: int


def stages(config: IngestConfig, model: Model, run: TracedRun | None = None) -> list[Stage]:
    """The graph as data, in order."""
    compute, pools, audio = config.compute, config.compute.pools, config.audio
    device = "cuda" if compute.embed_gpus else "cpu"
    threads = max(1, int(compute.embed_cpus))
    decode = (config.catalog, audio, model.padding, compute.file_timeout_s, run)
    embed = (config.encoder.weights, model.checksum, device, threads, audio.silence_dbfs, run)
    sink = (config.lake, config.home_dir, config.catalog.name, model.checksum, model.dim, run)
    return [
        Stage(DecodeFiles, decode, pools.decode_actors, compute.decode_cpus, 0, batch_rows=1),
        Stage(EmbedWindows, embed, pools.embed_actors, compute.embed_cpus, compute.embed_gpus, compute.embed_batch),
        Stage(WriteLake, sink, 1, 0.1, 0, compute.sink_windows),
    ]


def embed_files(
    work: Sequence[Work], config: IngestConfig, model: Model, run: TracedRun | None = None
) -> Generator[list[dict[str, Any]], None, None]:
    """Run the graph over `work`; yields receipts (rows of RECEIPT_SCHEMA) as files of the lake become durable."""
    dataset: ray.data.Dataset = ray.data.from_arrow(_blocks(work, config.compute.block_rows))
    for stage in stages(config, model, run):
        dataset = dataset.map_batches(
            stage.actor,
            fn_constructor_args=stage.arguments,
            compute=ray.data.ActorPoolStrategy(size=stage.actors),
            num_cpus=stage.cpus,
            num_gpus=stage.gpus,
            batch_size=stage.batch_rows,
            batch_format="pyarrow",
        )
    for receipts in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
        assert isinstance(receipts, pa.Table)
        yield receipts.to_pylist()


def _blocks(work: Sequence[Work], block_rows: int) -> list[pa.Table]:
    """Small blocks, so that files spread over the decoders and a lost block costs little."""
    rows = [{"recording_id": item.recording_id, "uri": item.uri} for item in work]
    return [table(rows[start : start + block_rows], WORK_SCHEMA) for start in range(0, len(rows), block_rows)]
