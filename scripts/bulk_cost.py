"""`python -m scripts.bulk_cost`: what filling a Milvus server from the lake costs, by bulk import and by upsert.

Each way begins with nothing: a home whose lake and ledger hold synthetic recordings, a Milvus server, and
a loader, which fills, verifies and activates a generation as a job does, in a process of its own. While it lives, its
memory and the server's are looked at again and again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from scipy.signal import lfilter

from conf import compose
from ingest.config import IngestConfig
from ingest.errors import InfrastructureError
from ingest.filling import Filling
from ingest.fingerprint.grid import EMBEDDING_DIM, SEGMENT_HOP_S
from ingest.fingerprint.peaks import BAND_BITS, FRAME_BITS, PEAKS_A_SEGMENT
from ingest.job_stores import open_stores
from ingest.load import generation_to_fill
from ingest.model import Model
from ingest.publish import activate
from ingest.runs import Run
from ingest.stores import Done, LakeUnit, open_lake, open_metadata
from scripts.document import table, write_section
from scripts.entry import exit_code
from scripts.footprint import Peak, Processes
from scripts.scale import ENCODER, listing
from scripts.services import mariadb, milvus

TITLE = "Filling a Milvus server"
ONE = "--one"
MODEL = Model(ENCODER, (0, 0), EMBEDDING_DIM)
SEGMENTS = 470  # of a recording: four minutes
MEMORY = 0.6  # correlation of what successive vectors add to their recording's direction
OWN = 0.6  # length of that direction beside it
LOOK_S = 0.2


@dataclass(frozen=True)
class Way:
    """How rows come into the collection; `import_rows` of an import: in one file."""

    load: Literal["import", "upsert"]
    import_rows: int = 1

    @property
    def name(self) -> str:
        return f"import, {self.import_rows:,} rows a file" if self.load == "import" else self.load


@dataclass
class BulkCostConfig:
    """See conf/bulk_cost.yaml."""

    vectors: int
    index: str
    metadata: Literal["sqlite", "mysql"]
    import_rows: list[int]
    upsert: bool
    write: bool

    @property
    def ways(self) -> list[Way]:
        imports = [Way("import", rows) for rows in self.import_rows]
        return [*imports, Way("upsert")] if self.upsert else imports


@dataclass(frozen=True)
class Loading:
    """What the loader tells: how long each step took, its own CPU seconds, and what was verified."""

    rows_s: float  # until all rows were in
    index_s: float  # until they were indexed and loaded
    verify_s: float
    activate_s: float
    cpu_s: float
    vectors: int
    self_recall: float


@dataclass(frozen=True)
class Cost:
    """Of one way: the loader's own figures, and what was seen of both from outside."""

    way: Way
    loading: Loading
    server_cpu_s: float
    idle: Peak  # the server before
    server: Peak
    loader: Peak


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == [ONE]:
        print(json.dumps(asdict(load(compose("ingest", arguments[1:], IngestConfig)))))
        return 0
    return exit_code("bulk_cost", lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> None:
    config = compose("bulk_cost", arguments, BulkCostConfig)
    costs = []
    for way in config.ways:
        costs.append(measure(config, way))
        print(costs[-1], file=sys.stderr)
    body = "\n".join(lines(config, costs))
    print(body)
    if config.write:
        write_section(TITLE, " ".join(["python -m scripts.bulk_cost", *arguments]), body)


def measure(config: BulkCostConfig, way: Way) -> Cost:
    """From nothing to a generation that answers. Raises InfrastructureError."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="refrain-bulk-cost-")))
        options = [f"home={folder / 'home'}", "catalog.path=synthetic", "compute=cluster", "vectors=milvus"]
        options += [f"vectors.index={config.index}", f"vectors.load={way.load}"]
        options += [f"vectors.import_uri={folder / 'imports'}", f"vectors.import_rows={way.import_rows}"]
        if config.metadata == "mysql":
            database = opened.enter_context(mariadb(folder / "mysql"))
            options += ["metadata=mysql", f"metadata.url={database}/bulk_cost"]
        fill_lake(compose("ingest", options, IngestConfig), config.vectors)
        options.append(f"vectors.uri={opened.enter_context(milvus(folder / 'milvus'))}")
        return _watched(way, options, Processes.of_milvus())


def _watched(way: Way, options: Sequence[str], server: Processes) -> Cost:
    """The loader's process from start to end, beside the server."""
    idle, serving, loading = Peak(), Peak(), Peak()
    idle.look(server)
    spent_s = server.cpu_s()
    command = [sys.executable, "-m", "scripts.bulk_cost", ONE, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            serving.look(server)
            loading.look(Processes((process.pid,)))
            time.sleep(LOOK_S)
        told, _ = process.communicate()
    if process.returncode:
        raise InfrastructureError(f"the loader by {way.name} ended with {process.returncode}")
    return Cost(way, Loading(**json.loads(told)), server.cpu_s() - spent_s, idle, serving, loading)


def fill_lake(config: IngestConfig, vectors: int) -> None:
    """Recordings of SEGMENTS vectors, the last of what is left: listed, in the lake, and committed as done."""
    left = vectors
    with open_metadata(config.metadata, config.home_dir) as metadata:
        catalog = metadata.catalog(config.catalog.name)
        lake = open_lake(config.lake, config.home_dir, config.catalog.name)
        catalog.register(listing(-(-vectors // SEGMENTS)), "run")
        pending = catalog.pending(ENCODER)
        while works := list(islice(pending, config.compute.sink_windows)):
            units = []
            for work in works:
                units.append(synthetic(work.recording_id, min(SEGMENTS, left)))
                left -= len(units[-1].segments)
            file = lake.write(ENCODER, units).file
            done = [Done(u.recording_id, len(u.segments), 1, (file,), len(u.segments) * SEGMENT_HOP_S) for u in units]
            catalog.commit(ENCODER, done, [], "run")


def synthetic(recording_id: int, segments: int) -> LakeUnit:
    """Unit vectors that wander about a direction of their own, and beside each as many peaks as fit.

    Each is as near to the nearest other one as music's are (cosine 0.7). Independent vectors are not: of 400,000 HNSW
    (M 16, ef 64) finds 92 %, which no verification would pass, and of as many that were made of music's, all.
    """
    rng = np.random.default_rng(recording_id)
    steps = rng.standard_normal((segments, EMBEDDING_DIM))
    wandering = lfilter([np.sqrt(1 - MEMORY**2)], [1, -MEMORY], steps, axis=0)
    vectors = wandering + OWN * rng.standard_normal(EMBEDDING_DIM)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    peaks = rng.integers(0, 1 << FRAME_BITS + BAND_BITS, (segments, PEAKS_A_SEGMENT), np.uint16)
    return LakeUnit(recording_id, 0, np.arange(segments, dtype=np.int32), vectors, np.sort(peaks, axis=1))


def load(config: IngestConfig, model: Model = MODEL) -> Loading:
    """Fill a new generation, verify it, and let it answer. Raises RefrainError."""
    with open_stores(config) as stores:
        generation = generation_to_fill(stores.catalog, stores.vectors, config, model)
        current = Run.start(config.home_root, config)
        checks = [time.monotonic()]  # the first, then one after each batch or file
        filling = Filling(config, current, stores, lambda: checks.append(time.monotonic()))
        if filling.run(generation).collection != generation.collection:
            raise InfrastructureError("an import was given up and begun again: that is no measurement")
        with current.stage("publish"):
            activate(generation, stores.catalog, stores.vectors)
        spent_s, rows_s = current.record.stages_s, checks[-1] - checks[0]
        return Loading(
            rows_s,
            spent_s["load"] - rows_s,
            spent_s["verify"],
            spent_s["publish"],
            time.process_time(),
            int(current.record.verified["vectors"]),
            current.record.verified["self_recall"],
        )


def lines(config: BulkCostConfig, costs: Sequence[Cost]) -> Iterator[str]:
    """The section, as Markdown."""
    hours = config.vectors * SEGMENT_HOP_S / 3600
    yield (
        f"{config.vectors:,} synthetic unit vectors of {EMBEDDING_DIM} dimensions, each with {PEAKS_A_SEGMENT} "
        f"spectral peaks ({hours:,.0f} h of audio), from a lake into an empty Milvus server with a {config.index} "
        f"index; ledger in {config.metadata}. Each way with a home and a server of its own; before, the server held "
        f"{', '.join(_megabytes(cost.idle.resident) for cost in costs)}."
    )
    yield ""
    yield from table(["", *(cost.way.name for cost in costs)], _rows(costs))
    yield ""
    yield (
        "Rows are in, by import, when the files are written and the server is done with them; by upsert, when the "
        "last request is answered, with some of the index built by then. What a file holds beyond a segment of the "
        "server becomes a small second one; both are merged later, and indexed a second time. CPU and memory from "
        f"the start of the loader to its end; memory is the most that was seen, looking every {LOOK_S:g} s. "
        f"{os.cpu_count()} cores for the server, the loader, and whatever else ran."
    )


def _rows(costs: Sequence[Cost]) -> Iterator[list[str]]:
    for name, told in ROWS:
        yield [name, *(told(cost) for cost in costs)]


def _clock(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.2g} s"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


ROWS: list[tuple[str, Callable[[Cost], str]]] = [
    ("rows in", lambda cost: _clock(cost.loading.rows_s)),
    ("then indexed and loaded", lambda cost: _clock(cost.loading.index_s)),
    ("verified", lambda cost: _clock(cost.loading.verify_s)),
    ("switched, the alias too", lambda cost: _clock(cost.loading.activate_s)),
    ("CPU of the server", lambda cost: _clock(cost.server_cpu_s)),
    ("CPU of the loader", lambda cost: _clock(cost.loading.cpu_s)),
    ("memory of the server, most", lambda cost: _megabytes(cost.server.resident)),
    ("of it private", lambda cost: _megabytes(cost.server.private)),
    ("memory of the loader, most", lambda cost: _megabytes(cost.loader.resident)),
    ("of it private", lambda cost: _megabytes(cost.loader.private)),
    ("vectors held", lambda cost: f"{cost.loading.vectors:,}"),
    ("self-recall", lambda cost: f"{cost.loading.self_recall:.1%}"),
]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
