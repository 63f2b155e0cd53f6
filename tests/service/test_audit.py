"""Vectors that were lost, or are too many, are told by counting them against the ledger, and nothing else is."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import vector_key
from ingest.publish import activate
from ingest.stores import (
    CatalogStore,
    Done,
    Generation,
    MetadataConfig,
    MetadataError,
    SourceFile,
    Vectors,
    VectorsConfig,
    open_metadata,
    open_vectors,
)
from serve.audit import Audit
from serve.encoders import EncoderSet, LocalEncoder
from serve.fakes import BANDS, MemoryVectors, SpectralEmbedder
from serve.generation import Generations
from serve.meter import NoMeter
from tests.service.live import serving
from tests.service.world import COLLECTION, World, config, embedded_melody
from tests.waiting import wait_for

PATIENCE_S = 60.0  # nothing waits for what was written just now
SONGS = (1, 2, 3)
SEGMENTS = sum(len(embedded_melody(number)[1].stored().segments) for number in SONGS)


@dataclass
class Told(NoMeter):
    """What was passed on, in order."""

    figures: list[tuple[str, int, int]] = field(default_factory=list)

    def vectors(self, catalog: str, ledger: int, milvus: int) -> None:
        self.figures.append((catalog, ledger, milvus))


@dataclass
class Auditor:
    """Looks at a world as a replica does, and at the pointer before."""

    world: World
    meter: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.generations = self.world.generations()
        self.audit = Audit(self.world.catalog, self.generations, self.meter)

    def look(self) -> list[tuple[str, int, int]]:
        """What it tells then."""

        async def looks() -> None:
            await self.generations.look()
            await self.audit.look()

        asyncio.run(looks())
        self.meter.figures.clear()
        self.audit.tell()
        return self.meter.figures


def test_losses_and_surpluses_are_told() -> None:
    """Both sides agree while nothing is wrong; a recording too few or too many shows in the figure of Milvus alone."""
    world = World.with_songs()
    auditor = Auditor(world)
    assert auditor.look() == [("default", SEGMENTS, SEGMENTS)]
    world.vectors.delete_recordings(COLLECTION, [2])
    lost = world.catalog.loads[2]
    assert auditor.look() == [("default", SEGMENTS, SEGMENTS - lost)]
    world.store(2, embedded_melody(2)[1])
    world.vectors.add(COLLECTION, 9, embedded_melody(1)[1])
    assert auditor.look() == [("default", SEGMENTS, SEGMENTS + world.catalog.loads[1])]


def test_nothing_is_told_before_there_is_something() -> None:
    """Neither of a catalogue without a generation, nor before the first look at the pointer."""
    auditor = Auditor(World())
    asyncio.run(auditor.audit.look())
    auditor.audit.tell()
    assert auditor.meter.figures == auditor.look() == []


def test_a_writer_is_no_disagreement() -> None:
    """While somebody holds the lock what was found before is told, however far both are apart."""
    world = World.with_songs()
    auditor = Auditor(world)
    before = list(auditor.look())
    with world.catalog.lock():
        world.vectors.add(COLLECTION, 9, embedded_melody(1)[1])
        assert auditor.look() == before
    assert auditor.look() != before


@pytest.mark.parametrize("stays", [True, False])
def test_who_writes_while_vectors_are_counted_is_seen(stays: bool) -> None:
    """A job that begins after the ledger was read, or that is through before it is read again, spoils the look."""
    world = World.with_songs()
    auditor = Auditor(world)
    before = list(auditor.look())

    class Busy(MemoryVectors):
        def count(self, collection: str, *, strong: bool = True) -> int:
            assert not strong
            if stays:
                assert world.catalog.writer.acquire(blocking=False)
            else:
                world.catalog.loads[9] = 7
            return super().count(collection, strong=strong) + 7

    auditor.generations._vectors = Busy(world.vectors.collections)
    assert auditor.look() == before


def test_stores_that_are_away_are_no_disagreement() -> None:
    """What does not answer leaves the figures as they were; the next look that is answered counts."""
    world = World.with_songs()
    auditor = Auditor(world)
    before = list(auditor.look())
    world.vectors.delete_recordings(COLLECTION, [2])
    world.vectors.away = True
    assert auditor.look() == before
    world.vectors.away, world.catalog.failure = False, MetadataError("MySQL does not answer")
    assert auditor.look() == before
    world.catalog.failure = None
    assert auditor.look() != before


def test_a_collection_that_is_not_loaded_is_left_alone() -> None:
    """To load it again is the watcher's business: counting asks once and is refused."""
    world = World.with_songs()
    auditor = Auditor(world)
    before = list(auditor.look())
    world.vectors.unloaded.add(COLLECTION)
    asyncio.run(auditor.audit.look())
    assert world.vectors.loaded == [COLLECTION]
    assert auditor.look() == before


def test_only_what_answers_is_told() -> None:
    """After the pointer has moved the counts of before are not passed on any more."""
    world = World.with_songs()
    auditor = Auditor(world)
    auditor.look()
    world.vectors.add("remade", 1, embedded_melody(1)[1])
    world.catalog.activate("remade", generation_id=2)
    asyncio.run(auditor.generations.look())
    auditor.meter.figures.clear()
    auditor.audit.tell()
    assert auditor.meter.figures == []
    assert auditor.look() == [("default", SEGMENTS, world.catalog.loads[1])]


def test_a_disagreement_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the collection and both counts, when they change."""
    world = World.with_songs()
    auditor = Auditor(world)
    with caplog.at_level(logging.WARNING, "serve.audit"):
        auditor.look()
        world.vectors.delete_recordings(COLLECTION, [1, 2])
        auditor.look()
        auditor.look()
    (record,) = caplog.records
    told = (record.__dict__["collection"], record.__dict__["milvus"], record.__dict__["ledger"])
    assert (record.getMessage(), told) == ("vectors differ", (COLLECTION, world.catalog.loads[3], SEGMENTS))


def test_the_service_counts_again_and_again() -> None:
    """With figures to pass on at every turn, or never, as configured."""
    world, told, untold = World.with_songs(), Told(), Told()
    with (
        serving(world.api("health.count_every_s=0.02", meter=told)),
        serving(world.api("health.count_every_s=0", meter=untold)),
    ):
        wait_for(lambda: len(told.figures) > 3)
        world.vectors.delete_recordings(COLLECTION, [3])
        wait_for(lambda: told.figures[-1][2] < SEGMENTS)
    assert told.figures[0] == ("default", SEGMENTS, SEGMENTS)
    assert untold.figures == []


def test_nobody_waits_for_the_counting() -> None:
    """A count that hangs holds up neither health nor pages."""
    world, may = World.with_songs(), threading.Event()

    class Slow(MemoryVectors):
        def count(self, collection: str, *, strong: bool = True) -> int:
            self.asked += 1_000
            assert may.wait(60.0)
            return 0

    world.vectors = Slow(world.vectors.collections)
    with serving(world.api("health.count_every_s=0.02")) as client:
        wait_for(lambda: world.vectors.asked > 1_000)
        assert client.get("/readyz").json()["status"] == "ok"
        may.set()


@dataclass
class Stores:
    """The three songs as a job leaves them."""

    catalog: CatalogStore
    vectors: Vectors
    generation: Generation


@pytest.fixture(params=["milvus", "milvus_lite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    uri = request.getfixturevalue("milvus_uri") if request.param == "milvus" else None
    made = VectorsConfig(kind=request.param, uri=uri, index="FLAT")
    with open_metadata(MetadataConfig(), tmp_path) as metadata, open_vectors(made, tmp_path) as vectors:
        catalog = metadata.catalog("default")
        catalog.register([SourceFile(f"song {number}", "1", 1) for number in SONGS], "run")
        generation = catalog.create_generation(COLLECTION, SpectralEmbedder().checksum, BANDS, "FLAT")
        vectors.create(COLLECTION, BANDS)
        counts = {}
        for work, number in zip(catalog.pending(generation.encoder), SONGS, strict=True):
            stored = embedded_melody(number)[1].stored()
            keys = np.array([vector_key(work.recording_id, int(segment)) for segment in stored.segments], np.int64)
            vectors.upsert(COLLECTION, keys, stored.vectors, stored.peaks)
            counts[work.recording_id] = len(keys)
        done = [Done(number, segments, 1, ("a.parquet",), 40.0) for number, segments in counts.items()]
        catalog.commit(generation.encoder, done, [], "run")
        vectors.flush(COLLECTION)
        catalog.mark_loaded(generation.generation_id, counts)
        activate(generation, catalog, vectors)
        yield Stores(catalog, vectors, generation)
        vectors.drop(COLLECTION)


@pytest.mark.integration
def test_a_loss_is_told_of_real_stores(stores: Stores) -> None:
    """What is deleted from Milvus behind the ledger's back is missing in its figure, and what is put there is in it;
    a job that holds the lock is waited for."""
    made, told = config(), Told()
    encoder = LocalEncoder(EncoderSet([SpectralEmbedder()]))
    generations = Generations(
        stores.catalog, lambda: stores.vectors, encoder, made.matching.settings(), made.lookups, made.health
    )
    audit = Audit(stores.catalog, generations, told)
    asyncio.run(generations.look())

    def figures() -> tuple[str, int, int]:
        asyncio.run(audit.look())
        audit.tell()
        return told.figures[-1]

    assert figures() == ("default", SEGMENTS, SEGMENTS)
    (first, *_) = stores.catalog.loaded_recordings(stores.generation.generation_id)
    lost = len(embedded_melody(1)[1].stored().segments)
    with stores.catalog.lock():
        stores.vectors.delete_recordings(COLLECTION, [first])
        assert figures() == ("default", SEGMENTS, SEGMENTS)
    wait_for(lambda: figures() == ("default", SEGMENTS, SEGMENTS - lost), PATIENCE_S)
    added = embedded_melody(2)[1].stored()
    keys = np.array([vector_key(99, int(segment)) for segment in added.segments], np.int64)
    stores.vectors.upsert(COLLECTION, keys, added.vectors, added.peaks)
    wait_for(lambda: figures() == ("default", SEGMENTS, SEGMENTS - lost + len(keys)), PATIENCE_S)
