"""What is loaded beside embedding, and what is left to phase 2 whatever happens: a real ledger and lake, vectors in
memory.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ingest import early_load
from ingest.early_load import EarlyLoad, generation_to_load_early
from ingest.errors import ErrorBudgetSpent, LakeError, VectorStoreError
from ingest.fingerprint import SEGMENT_BITS
from ingest.job_stores import Stores
from ingest.load import fill
from ingest.model import Model
from ingest.runs import Run
from ingest.stop import Stopped
from ingest.stores import (
    Done,
    Generation,
    LakeConfig,
    LakeUnit,
    MetadataConfig,
    SourceFile,
    Vectors,
    open_lake,
    open_metadata,
)
from tests.jobs.records import ingest_config
from tests.stores.rows import random_peaks

ENCODER, DIM, SEGMENTS, BATCH = "e" * 64, 8, 5, 10  # two recordings a batch
PATIENCE_S = 20.0


@dataclass
class HeldVectors:
    """The keys of one collection; `away` fails as a lost server does, and a closed `gate` keeps an upsert waiting."""

    keys: set[int] = field(default_factory=set)
    upserts: list[list[int]] = field(default_factory=list)  # recordings of each
    flushed_at: list[int] = field(default_factory=list)  # keys held then
    collections: set[str] = field(default_factory=set)
    away: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def exists(self, collection: str) -> bool:
        self._check()
        return collection in self.collections

    def create(self, collection: str, dim: int, index: str | None = None) -> None:
        self._check()
        self.collections.add(collection)

    def finish(self, collection: str, index: str | None = None) -> None:
        self._check()

    def upsert(self, collection: str, keys: Any, vectors: Any, peaks: Any) -> None:
        self.asked.set()
        assert self.gate.wait(PATIENCE_S)
        self._check()
        self.keys |= set(keys.tolist())
        self.upserts.append(sorted({key >> SEGMENT_BITS for key in keys.tolist()}))

    def delete_recordings(self, collection: str, recording_ids: Iterable[int]) -> None:
        gone = set(recording_ids)
        self.keys = {key for key in self.keys if key >> SEGMENT_BITS not in gone}

    def flush(self, collection: str) -> None:
        self.flushed_at.append(len(self.keys))

    def _check(self) -> None:
        if self.away:
            raise VectorStoreError("the vectors are away")


@dataclass
class World:
    """A run between its listing and its end, on its three stores."""

    stores: Stores
    held: HeldVectors
    current: Run
    generation: Generation

    def early(self, generation: Generation | None = None) -> EarlyLoad:
        return EarlyLoad(generation or self.generation, self.stores, self.current, BATCH)

    def embed(self, numbers: Iterable[int], run_id: str | None = None) -> list[Done]:
        """Commit these recordings as a run does: into the lake, then the ledger."""
        done = [Done(n, SEGMENTS, 1, (self._write(n),), 3.0) for n in numbers]
        self.stores.catalog.commit(ENCODER, done, [], run_id or self.current.record.run_id)
        return done

    def fill(self) -> int:
        """Phase 2 of it; how many vectors were left to load."""
        stores = self.stores
        return sum(fill(self.generation, stores.catalog, stores.vectors, stores.lake, BATCH))

    def loaded(self) -> list[int]:
        return self.stores.catalog.loaded_recordings(self.generation.generation_id)

    def _write(self, number: int) -> str:
        vectors = np.eye(SEGMENTS, DIM, dtype=np.float32)
        unit = LakeUnit(number, 0, np.arange(SEGMENTS, dtype=np.int32), vectors, random_peaks(SEGMENTS))
        return self.stores.lake.write(ENCODER, [unit]).file


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    held = HeldVectors(collections={"first"})
    held.gate.set()
    with open_metadata(MetadataConfig(), tmp_path) as metadata, (catalog := metadata.catalog()).lock():
        catalog.register([SourceFile(f"{n:03}", "1", 1) for n in range(40)], "run")
        stores = Stores(catalog, cast(Vectors, held), open_lake(LakeConfig(), tmp_path))
        current = Run.start(tmp_path, ingest_config(tmp_path, "catalog=folder", f"catalog.path={tmp_path}"))
        yield World(stores, held, current, catalog.create_generation("first", ENCODER, DIM, "FLAT"))
        held.gate.set()


def wait_for(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "early load"]


def test_full_batches_are_loaded_and_the_rest_is_left(world: World) -> None:
    """While commits come in, whole batches go out; phase 2 has the last one, and its flush follows everything."""
    with world.early() as early:
        for number in range(1, 8):
            early.committed(world.embed([number]))
        wait_for(lambda: world.loaded() == [1, 2, 3, 4, 5, 6])
    assert world.held.upserts == [[1, 2], [3, 4], [5, 6]] and not world.held.flushed_at
    assert world.current.record.counts.loaded_early == 6 * SEGMENTS
    assert "load" not in world.current.record.stages_s, "nothing was in hand at the end"
    assert world.fill() == SEGMENTS
    assert world.held.flushed_at == [7 * SEGMENTS] and world.loaded() == list(range(1, 8))
    assert not threads()


def test_something_is_always_left(world: World) -> None:
    """What fills a batch to the brim stays as well until more comes: a collection that answers is flushed only where
    phase 2 loads something.
    """
    with world.early() as early:
        early.committed(world.embed([1, 2]))
        time.sleep(0.2)
    assert not world.held.upserts and world.fill() == 2 * SEGMENTS


def test_what_a_killed_run_left_is_loaded_too(world: World) -> None:
    """Once this run has committed something, and each of them once."""
    world.embed(range(1, 6), "killed")
    with world.early() as early:
        time.sleep(0.2)
        assert not world.held.upserts, "Ray may not be up yet"
        early.committed(world.embed([8, 9]))
        early.committed(world.embed([6, 7]))
        wait_for(lambda: len(world.loaded()) == 8)
    assert world.held.upserts == [[1, 2], [3, 4], [5, 8], [6, 9]]
    assert world.fill() == SEGMENTS


def test_what_replaces_vectors_that_answer_is_left(world: World) -> None:
    """After `force` the old vectors stay until phase 2; what is new goes in beside."""
    world.embed(range(1, 5))
    world.fill()
    world.stores.catalog.forget_done(ENCODER)
    world.held.upserts.clear()
    with world.early() as early:
        early.committed(world.embed(range(1, 9)))
        wait_for(lambda: world.held.upserts == [[5, 6]])
    waiting = {load.recording_id: load.replaces for load in world.stores.catalog.to_load(1)}
    assert waiting == {1: True, 2: True, 3: True, 4: True, 7: False, 8: False}
    assert world.fill() == 6 * SEGMENTS and len(world.held.keys) == 8 * SEGMENTS


def test_a_vector_store_that_is_away_costs_no_embedding(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Loading early ends with one line; the run goes on, phase 2 raises, and once the store is back it has all."""
    with world.early() as early:
        world.held.away = True
        for number in range(1, 9):
            early.committed(world.embed([number]))
        wait_for(lambda: not threads())
    assert [(line.message, line.reason) for line in caplog.records] == [  # type: ignore[attr-defined]  # an event's field
        ("loading early has ended", "the vectors are away")
    ]
    assert world.loaded() == [] and world.current.record.counts.loaded_early == 0
    with pytest.raises(VectorStoreError, match="away"):
        world.fill()
    world.held.away = False
    assert world.fill() == 8 * SEGMENTS


def test_a_lake_that_fails_is_raised_by_phase_2(world: World) -> None:
    """A file that is gone ends loading early, and is not forgotten."""
    done = world.embed(range(1, 4))
    world.stores.lake.sweep(ENCODER, {name for one in done[1:] for name in one.lake_files})
    with world.early() as early:
        early.committed(done)
        wait_for(lambda: not threads())
    with pytest.raises(LakeError):
        world.fill()


@pytest.mark.parametrize("failure", [Stopped, ErrorBudgetSpent, KeyError])
def test_a_run_that_ends_finishes_the_batch_in_hand_alone(world: World, failure: type[BaseException]) -> None:
    """However embedding ends, the batch that is being written is recorded, no other is begun, the thread is gone."""
    world.held.gate.clear()
    with suppress(failure), world.early() as early:
        early.committed(world.embed(range(1, 9)))
        assert world.held.asked.wait(PATIENCE_S)
        threading.Timer(0.2, world.held.gate.set).start()
        raise failure
    assert world.loaded() == [1, 2] and world.held.upserts == [[1, 2]] and not threads()


def test_the_batch_in_hand_is_part_of_loading(world: World) -> None:
    """When embedding ends well it is waited for, and the stage tells how long; phase 2 goes on from there."""
    world.held.gate.clear()
    with world.early() as early:
        early.committed(world.embed(range(1, 9)))
        assert world.held.asked.wait(PATIENCE_S)
        threading.Timer(early_load.IDLE_S + 0.3, world.held.gate.set).start()
    assert world.loaded() == [1, 2] and world.current.record.stages_s["load"] > 0.1
    assert world.fill() == 6 * SEGMENTS


def test_a_store_that_hangs_is_given_up_when_the_run_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the run does not wait for it for ever, and what it writes late never reaches the ledger."""
    monkeypatch.setattr(early_load, "GIVEN_UP_S", 0.1)
    world.held.gate.clear()
    with suppress(Stopped), world.early() as early:
        early.committed(world.embed(range(1, 9)))
        assert world.held.asked.wait(PATIENCE_S)
        raise Stopped
    (thread,) = threads()
    world.held.gate.set()
    thread.join(PATIENCE_S)
    assert world.held.upserts == [[1, 2]] and world.loaded() == []
    assert world.fill() == 8 * SEGMENTS and len(world.held.keys) == 8 * SEGMENTS


def test_a_slow_store_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not get to is not kept in memory, and left."""
    monkeypatch.setattr(early_load, "WAITING", 2)
    world.held.gate.clear()
    with world.early() as early:
        early.committed(world.embed(range(1, 4)))
        assert world.held.asked.wait(PATIENCE_S)
        for number in range(4, 11):
            early.committed(world.embed([number]))
        world.held.gate.set()
        wait_for(lambda: world.loaded() == [1, 2, 3, 4])
    assert world.fill() == 6 * SEGMENTS and world.loaded() == list(range(1, 11))


def test_which_generation_is_loaded_early(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That of phase 2; none where imports could fill it at once, or the store does not answer, which is told."""
    model = Model(ENCODER, (0, 0), DIM)

    def chosen(*options: str, encoder: str = ENCODER) -> Generation | None:
        config = ingest_config(tmp_path, "catalog=folder", f"catalog.path={tmp_path}", *options)
        return generation_to_load_early(config, world.stores, Model(encoder, model.padding, DIM))

    server = ("vectors=milvus", "vectors.uri=http://unused:1")
    imports = (*server, f"vectors.import_uri={tmp_path}")
    assert chosen() == chosen(*server) == chosen(*imports, "vectors.load=upsert") == world.generation
    assert chosen(*imports) is None and chosen(*imports, "vectors.load=import") is None
    world.embed([1, 2])
    world.fill()
    assert chosen(*imports) == world.generation, "upserts have begun it"
    other = chosen(encoder="f" * 64)
    assert other is not None and other.collection in world.held.collections
    assert chosen(encoder="f" * 64) == other, "phase 2 takes the same"
    world.held.away = True
    assert chosen() is None
    assert [line.message for line in caplog.records] == ["nothing is loaded early"]
    with EarlyLoad(None, world.stores, world.current, BATCH) as early:
        early.committed(world.embed([3]))
    assert not threads()
