"""`python -m scripts.index_cost catalog.path=FOLDER|CSV out=DIR`: what an index of the vector store costs and loses.

The same vectors, those of one half of the evaluation and simulated ones, are put into one collection an index type of a
private Milvus server. Then the server is started anew for each: the collection is loaded and released some times, and
what its memory grows by is that index's; and the same clips are asked through the matcher. CPU time is the server's and
the caller's together.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from ingest.fingerprint.grid import EMBEDDING_DIM, SEGMENT_HOP_S
from ingest.stores import StoredRows, Vectors, open_vectors
from scripts.document import table, write_section
from scripts.entry import run_entry
from scripts.evaluation.asking import Asker
from scripts.evaluation.crowding import simulated_rows
from scripts.evaluation.distractors import SimulatedTracks
from scripts.evaluation.options import AskConfig, as_command, read_options
from scripts.evaluation.outcomes import Outcome
from scripts.evaluation.questions import Question
from scripts.evaluation.session import open_session, say
from scripts.footprint import Processes
from scripts.load.trials import settle
from scripts.services import milvus
from serve.matching import Calibration

FOLD = 0
HOUR = 3600 / SEGMENT_HOP_S  # stored embeddings of an hour


@dataclass(frozen=True)
class Index:
    """An index type with its parameters."""

    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        told = [f"{key} {value}" for key, value in [*self.params.items(), *self.search.items()]]
        return " ".join([self.type, *told])

    @property
    def collection(self) -> str:
        return "_".join(["cost", *(part.lower() for part in self.name.split())])


INDEXES = (
    Index("FLAT"),
    Index("HNSW", {"M": 16}, {"ef": 128}),
    Index("IVF_SQ8", {"nlist": 1024}, {"nprobe": 32}),
    Index("IVF_PQ", {"nlist": 1024, "m": 64}, {"nprobe": 32}),
    Index("IVF_PQ", {"nlist": 1024, "m": 32}, {"nprobe": 32}),
)
# Of the others, Milvus 2.3.5 on a local disk loses the vectors that were fetched, once it is restarted.
LASTING = ("FLAT", "HNSW")


@dataclass
class IndexCostConfig(AskConfig):
    """See conf/index_cost.yaml."""

    size: int
    loads: int
    settle_s: float
    section: str
    write: bool


@dataclass(frozen=True)
class Cost:
    """Of one index: bytes of the server that came with the collection, and what became of the clips."""

    index: Index
    files: int  # of the index, in the server's storage
    private: tuple[int, ...]  # memory, at each load
    mapped: tuple[int, ...]  # files in memory, which the system may drop, likewise
    caller_ms: list[float]  # CPU of each query, once it is embedded
    server_ms: list[float]
    outcomes: list[Outcome]

    def found(self) -> float:
        return mean(outcome.right_place for outcome in self.outcomes)


def main(arguments: Sequence[str]) -> int:
    return run_entry("index_cost", arguments, __doc__ or "", measure)


def measure(arguments: Sequence[str]) -> None:
    """Fill, ask, tell. Raises RefrainError."""
    config, matching = read_options("index_cost", arguments, IndexCostConfig)
    session = open_session(config, matching, Calibration.shipped())
    flat = replace(session, config=replace(config, store="flat"))
    with flat.asking() as asking, closing(Asker(asking)) as asker:
        questions = [
            one
            for unit in session.units()
            for one in asker.questions(unit)
            if session.collection.half(one.track) == FOLD
        ]
        exact = [asker.outcome(question, FOLD, asker.vectors) for question in questions]
        folder = config.out_path / "milvus"
        fill(config, folder, _rows(config, asker))
        costs = [cost(config, folder, index, asker, questions) for index in INDEXES]
    body = "\n".join(_lines(config, costs, exact))
    print(body)
    if config.write:
        write_section(config.section, as_command("scripts.index_cost", arguments), body)


def _rows(config: IndexCostConfig, asker: Asker) -> StoredRows:
    """`size` rows: the fold's, and of simulated tracks that descend from none that is asked about."""
    collection = asker.collection
    rows, part = collection.rows(), collection.rows_of(FOLD)
    parents = [track.stored() for i, track in enumerate(collection.tracks) if collection.half(i) != FOLD]
    simulated = SimulatedTracks(parents, 1.0, [config.seed, FOLD])
    made = simulated_rows(simulated, max(1, config.size - len(rows.keys[part])))
    kept = slice(config.size)
    return StoredRows(
        np.concatenate([rows.keys[part], made.keys])[kept],
        np.concatenate([rows.vectors[part], made.vectors])[kept],
        np.concatenate([rows.peaks[part], made.peaks])[kept],
    )


def fill(config: IndexCostConfig, folder: Path, rows: StoredRows) -> None:
    """Collections that are not there yet, or would not last, indexed and released. Raises VectorStoreError."""
    with milvus(folder) as uri:
        for index in INDEXES:
            with _opened(config, uri, index) as vectors:
                if index.type in LASTING and vectors.exists(index.collection):
                    continue
                vectors.drop(index.collection)
                started = time.monotonic()
                vectors.create(index.collection, rows.vectors.shape[1])
                vectors.upsert(index.collection, rows.keys, rows.vectors, rows.peaks)
                vectors.flush(index.collection)
                vectors.release(index.collection)
                say(f"{index.name}: {len(rows.keys):,} vectors in {time.monotonic() - started:.0f} s")


def cost(config: IndexCostConfig, folder: Path, index: Index, asker: Asker, questions: Sequence[Question]) -> Cost:
    """Load the collection into a server that holds nothing else, and ask."""
    with ExitStack() as cleaning:
        uri = cleaning.enter_context(milvus(folder))
        vectors = cleaning.enter_context(_opened(config, uri, index))
        server = Processes.of_milvus()
        cleaning.callback(vectors.release, index.collection)

        def rest() -> float:
            return settle(lambda: _idle_ms(server, config.settle_s) / 1000)

        rest()
        private, mapped = zip(*(_grown(config, server, vectors, index) for _ in range(config.loads)), strict=True)
        files = index_bytes(folder, uri, index.collection)
        idle_ms = 1000 * rest()
        one_name = _Renamed(vectors, index.collection)
        for question in questions[:3]:
            asker.outcome(question, FOLD, one_name)
        outcomes, caller, own = [], [], []
        for question in questions:
            started, spent, clock = time.process_time(), server.cpu_s(), time.monotonic()
            outcomes.append(asker.outcome(question, FOLD, one_name))
            caller.append(1000 * (time.process_time() - started))
            elapsed = time.monotonic() - clock
            own.append(1000 * (server.cpu_s() - spent) - idle_ms * elapsed)
    say(f"{index.name}: {mean(outcome.right_place for outcome in outcomes):.1%} found")
    return Cost(index, files, private, mapped, caller, own, outcomes)


def _grown(config: IndexCostConfig, server: Processes, vectors: Vectors, index: Index) -> tuple[int, int]:
    """Bytes (private, of files) by which the server grows when it loads what it had released."""
    vectors.release(index.collection)
    time.sleep(config.settle_s)
    before = server.memory()
    vectors.load(index.collection)
    time.sleep(config.settle_s)
    after = server.memory()
    return after[0] - before[0], after[1] - before[1]


def index_bytes(folder: Path, uri: str, collection: str) -> int:
    """Of the index files that the server, whose data lie in `folder`, made of a loaded collection's segments."""
    with closing(MilvusClient(uri)) as client:
        segments = [segment.segment_id for segment in client.list_loaded_segments(collection)]
    total = 0
    for segment in segments:
        builds = sorted((folder / "data" / "index_files").glob(f"*/*/*/{segment}"))  # the last is the newest
        total += sum(file.stat().st_size for file in builds[-1].iterdir()) if builds else 0
    return total


def _opened(config: IndexCostConfig, uri: str, index: Index) -> Vectors:
    settings = replace(
        config.vectors, uri=uri, index=index.type, index_params=dict(index.params), search_params=dict(index.search)
    )
    return open_vectors(settings, config.out_path)


@dataclass(frozen=True)
class _Renamed:
    """A store of one collection, whatever it is called."""

    vectors: Vectors
    collection: str

    def search(self, _: str, queries: np.ndarray, k: int) -> Any:
        return self.vectors.search(self.collection, queries, k)

    def fetch(self, _: str, keys: np.ndarray) -> Any:
        return self.vectors.fetch(self.collection, keys)


def _idle_ms(server: Processes, seconds: float) -> float:
    """CPU a second while nothing is asked."""
    before = server.cpu_s()
    time.sleep(seconds)
    return 1000 * (server.cpu_s() - before) / seconds


def _lines(config: IndexCostConfig, costs: Sequence[Cost], exact: Sequence[Outcome]) -> Iterator[str]:
    hours = config.size / HOUR
    raw = 4 * EMBEDDING_DIM / 1e6 * HOUR
    yield (
        f"{config.size:,} vectors ({hours:.0f} h of audio) in a Milvus server of its own; {len(exact)} clips of "
        f"{', '.join(config.conditions)}, {', '.join(f'{s:g}' for s in config.lengths)} s, all known. The raw vectors "
        f"are {raw:.1f} MB an hour on disk. Exact search in memory finds {mean(o.right_place for o in exact):.1%}."
    )
    yield ""
    head = ["index", "MB an hour: index", "private memory", "files in memory", "found, %", "lost, points"]
    yield from table(
        [*head, *(f"CPU ms a query of {s:g} s: caller + server" for s in config.lengths)],
        iter([_row(cost, costs[0], hours, config.lengths) for cost in costs]),
    )
    yield ""
    yield (
        "Index: the files that the server made of the vectors and loads whole, packed a little; HNSW's holds the "
        "vectors too, FLAT has none. Memory: what the server grew by when it loaded the collection, rows and all, "
        f"median, least and most of {config.loads} times. Found: track and place right, before any threshold; lost: "
        "against the first row. CPU: medians, from the embedded clip to the answer; what the server spends when idle "
        "is taken off."
    )


def _row(cost: Cost, first: Cost, hours: float, lengths: Sequence[float]) -> list[str]:
    told = [
        cost.index.name,
        f"{cost.files / 1e6 / hours:.2f}",
        *(_spread(loads, 1e6 * hours) for loads in (cost.private, cost.mapped)),
        f"{100 * cost.found():.1f}",
        f"{100 * (first.found() - cost.found()):.1f}",
    ]
    for clip_s in lengths:
        of_length = [number for number, outcome in enumerate(cost.outcomes) if outcome.clip_s == clip_s]
        caller, server = (median([spent[n] for n in of_length]) for spent in (cost.caller_ms, cost.server_ms))
        told.append(f"{caller:.0f} + {server:.0f}")
    return told


def _spread(values: Sequence[int], unit: float) -> str:
    """
    >>> _spread([10, 40, 30], 10)
    '3.00 (1.00 – 4.00)'
    """
    return f"{median(values) / unit:.2f} ({min(values) / unit:.2f} – {max(values) / unit:.2f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
