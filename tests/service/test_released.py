"""A collection that somebody released, or that Milvus came back without, is loaded again: once, in the background."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingest.fingerprint.pcm import to_int16
from ingest.stores import NotLoaded, Vectors, VectorsConfig, open_vectors
from serve.fakes import BANDS, MemoryVectors
from serve.generation import Generations
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.test_api import problem
from tests.service.world import COLLECTION, World, embedded_melody, noisy
from tests.waiting import wait_for

PATIENCE_S = 120.0


class Held(MemoryVectors):
    """Loads when it may."""

    def __init__(self, world: World) -> None:
        super().__init__(world.vectors.collections)
        self.may = threading.Event()
        self.may.set()

    def load(self, collection: str) -> None:
        assert self.may.wait(PATIENCE_S)
        super().load(collection)


def clip_of(world: World) -> bytes:
    return wav(noisy(world.clip(2, 17.3, 8.0)))


def test_queries_wait_for_nothing_while_a_collection_is_loaded() -> None:
    """They are 503 with a code and Retry-After, none of them loads anything, and one load is enough for all."""
    world = World.with_songs()
    held = world.vectors = Held(world)
    with serving(world.api()) as client:
        held.may.clear()
        held.unloaded.add(COLLECTION)
        wait_for(lambda: client.get("/readyz").json().get("code") == "vector_store")
        asked = held.asked
        for _ in range(10):
            response = client.post("/v1/identify", content=clip_of(world))
            assert "not loaded" in problem(response, 503, "vector_store")
            assert int(response.headers["retry-after"]) >= 1
        assert held.asked == asked and held.loaded == [COLLECTION]
        held.may.set()
        wait_for(lambda: client.get("/readyz").json()["status"] == "ok")
        assert client.post("/v1/identify", content=clip_of(world)).json()["matches"][0]["track_id"] == 2
    assert held.loaded == [COLLECTION, COLLECTION]


def looked(world: World) -> Generations:
    generations = world.generations()
    asyncio.run(generations.look())
    return generations


def test_a_query_that_meets_it_first_is_believed() -> None:
    """The first answer that says so is enough: nothing more is asked, and the next look loads it."""
    world = World.with_songs()
    generations = looked(world)
    recogniser = generations.serving()
    assert recogniser is not None
    query = world.embedder.embed(to_int16(world.clip(1, 3.0, 8.0)))
    world.vectors.unloaded.add(COLLECTION)
    with pytest.raises(NotLoaded):
        recogniser.recognise(query)
    assert not generations.ready and generations.code == "vector_store"
    asyncio.run(generations.look())
    assert generations.ready
    assert [match.track.track_id for match in recogniser.recognise(query)] == [1]


def test_a_collection_that_answers_no_more_may_go() -> None:
    """Who still follows the generation of before is refused once its collection is released; nobody else notices."""
    world = World.with_songs()
    generations = looked(world)
    before = generations.serving()
    world.vectors.add("remade", 1, embedded_melody(1)[1])
    world.catalog.activate("remade", generation_id=2)
    asyncio.run(generations.look())
    world.vectors.unloaded.add(COLLECTION)
    assert before is not None
    with pytest.raises(NotLoaded):
        before.recognise(world.embedder.embed(to_int16(world.clip(1, 3.0, 8.0))))
    assert generations.ready
    asyncio.run(generations.look())
    assert generations.ready and world.vectors.loaded == [COLLECTION, "remade"]


def test_the_old_collection_is_loaded_again_while_a_new_one_cannot_be() -> None:
    """A pointer at what cannot be served does not keep the one that answers from being loaded again."""
    world = World.with_songs()
    generations = looked(world)
    world.catalog.activate("absent", generation_id=2)
    world.vectors.unloaded.add(COLLECTION)
    asyncio.run(generations.look())
    assert generations.checks["vectors"] == "ok" and "absent" in generations.checks["generation"]
    assert world.vectors.loaded == [COLLECTION, COLLECTION]


@pytest.fixture(params=["milvus", "milvus_lite"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> Vectors:
    """The songs of `World` in a real store."""
    uri = request.getfixturevalue("milvus_uri") if request.param == "milvus" else None
    made = VectorsConfig(kind=request.param, uri=uri, index="FLAT", consistency="Strong")
    store = open_vectors(made, tmp_path)
    request.addfinalizer(store.close)
    others = open_vectors(made, tmp_path)  # the service closes its own
    request.addfinalizer(others.close)
    request.addfinalizer(lambda: others.drop(COLLECTION))
    store.create(COLLECTION, BANDS)
    memory = MemoryVectors()
    for number in (1, 2, 3):
        memory.add(COLLECTION, number, embedded_melody(number)[1])
    rows = memory.collections[COLLECTION]
    store.upsert(COLLECTION, rows.keys, rows.vectors, rows.peaks)
    store.flush(COLLECTION)
    return store


@pytest.mark.integration
def test_a_released_collection_is_loaded_again(vectors: Vectors, tmp_path: Path) -> None:
    """On real stores: after an operator's release, and again after another, clips are answered without a restart, and
    what is not answered meanwhile is a 503 that may be repeated."""
    world = World.with_songs()
    world.vectors = vectors
    with serving(world.api("health.timeout_s=20")) as client:
        for _ in range(2):
            vectors._connection.ask("release_collection", COLLECTION)
            answers = list(until_answered(client, vectors, clip_of(world)))
            assert answers[-1].json()["matches"][0]["track_id"] == 2
            assert all(one.status_code == 200 or one.headers["retry-after"] for one in answers)


def until_answered(client: httpx.Client, vectors: Vectors, clip: bytes) -> Iterator[httpx.Response]:
    """What a caller gets who asks on and on, until the collection is loaded and searched again."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        loaded = not vectors.released(COLLECTION)
        response = client.post("/v1/identify", content=clip)
        assert response.status_code in (200, 503), response.text
        yield response
        if loaded and response.status_code == 200:
            return
        assert time.monotonic() < deadline, response.text


@pytest.mark.integration
def test_a_release_is_told_from_other_failures(vectors: Vectors) -> None:
    """Searching, and fetching by key, in what is not loaded is NotLoaded, on all of it; loading mends it."""
    query, key = embedded_melody(1)[1].vectors[:1], embedded_melody(1)[1].stored().segments[:1]
    vectors.search(COLLECTION, query, 1)
    vectors._connection.ask("release_collection", COLLECTION)
    assert vectors.released(COLLECTION)
    with pytest.raises(NotLoaded):
        vectors.search(COLLECTION, query, 1)
    with pytest.raises(NotLoaded):
        vectors.fetch(COLLECTION, key)
    vectors.load(COLLECTION)
    assert not vectors.released(COLLECTION)
    assert vectors.search(COLLECTION, query, 1).keys.shape == (1, 1)
