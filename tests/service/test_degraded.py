"""What is answered while the metadata store is away, and how fast is refused what the vector store is needed for."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from ingest.stores import MetadataError, VectorsConfig, VectorStoreError, open_vectors
from ingest.stores.lite_server import LiteServer
from serve.guarded import GuardedVectors
from serve.meter import NoMeter
from serve.standing import OK, Standing
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.test_api import problem
from tests.service.test_listen import pcm
from tests.service.world import World, noisy
from tests.stores.lite import kill_server
from tests.stores.rows import random_peaks
from tests.waiting import wait_for


class ClipMeter(NoMeter):
    """Keeps of each clip whether it was answered without names."""

    def __init__(self) -> None:
        self.degraded: list[bool] = []

    def stages(self, timings_ms: Mapping[str, float], matched: bool, degraded: bool) -> None:
        self.degraded.append(degraded)


@pytest.fixture
def world() -> World:
    return World.with_songs()


@pytest.fixture
def clip(world: World) -> bytes:
    return wav(noisy(world.clip(2, 17.3, 8.0)))


def test_without_the_metadata_store_answers_come_without_names(world: World, clip: bytes) -> None:
    """A query is answered with id, place and confidence, flagged; readiness says so, and both recover by themselves."""
    with serving(world.api("lookups.cache_s=0.01")) as client:
        whole = client.post("/v1/identify", content=clip).json()
        world.catalog.failure = MetadataError("MySQL at db:3306 does not answer")
        wait_for(lambda: client.get("/readyz").json()["status"] == "degraded")
        response = client.post("/v1/identify", content=clip)
        assert response.json()["degraded"] is True
        assert response.headers["refrain-degraded"] == "metadata_store"
        named = {"uri": None, "title": None, "artist": None, "album": None, "isrc": None}
        assert response.json()["matches"] == [match | named for match in whole["matches"]]
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["generation"]) == (200, "ok")
        assert "without names" in ready.json()["checks"]["metadata"]
        world.catalog.failure = None
        wait_for(lambda: client.get("/readyz").json()["status"] == "ok")
        assert client.post("/v1/identify", content=clip).json()["matches"] == whole["matches"]


def test_answers_without_names_are_counted(world: World, clip: bytes) -> None:
    """Clips that are answered while the metadata store is away are counted apart from whole answers."""
    meter = ClipMeter()
    with serving(world.api("lookups.cache_s=0.01", meter=meter)) as client:
        client.post("/v1/identify", content=clip)
        world.catalog.failure = MetadataError("MySQL at db:3306 does not answer")
        wait_for(lambda: client.get("/readyz").json()["status"] == "degraded")
        client.post("/v1/identify", content=clip)
    assert meter.degraded == [False, True]


def test_a_caller_who_is_heard_live_is_told_without_names(world: World) -> None:
    """What is known so far comes without names and flagged, once they cannot be asked for."""
    with serving(world.api("lookups.cache_s=0.01")) as client:
        world.catalog.failure = MetadataError("MySQL at db:3306 does not answer")
        wait_for(lambda: client.get("/readyz").json()["status"] == "degraded")
        with connect(str(client.base_url.copy_with(scheme="ws", path="/v1/listen")), proxy=None) as socket:
            socket.send(pcm(world.clip(2, 17.3, 8.0)))
            heard = json.loads(socket.recv(timeout=10))
    assert heard["degraded"] is True
    assert (heard["matches"][0]["track_id"], heard["matches"][0]["title"]) == (2, None)


def test_names_that_are_kept_make_a_whole_answer(world: World, clip: bytes) -> None:
    """A name that was asked for just now is told although the store went away since; the answer is flagged as well."""
    with serving(world.api("lookups.cache_s=60")) as client:
        client.post("/v1/identify", content=clip)
        world.catalog.failure = MetadataError("MySQL at db:3306 does not answer")
        wait_for(lambda: client.get("/readyz").json()["status"] == "degraded")
        answer = client.post("/v1/identify", content=clip).json()
    assert (answer["matches"][0]["uri"], answer["degraded"]) == ("song 2.flac", True)


def test_without_the_vector_store_the_service_is_not_ready(world: World, clip: bytes) -> None:
    """Nothing is answered, every query is refused at once and may be repeated, and readiness says what is away."""
    with serving(world.api()) as client:
        world.vectors.away = True
        wait_for(lambda: client.get("/readyz").status_code == 503)
        response = client.post("/v1/identify", content=clip)
        assert "away" in problem(response, 503, "vector_store") and int(response.headers["retry-after"]) >= 1
        world.vectors.away = False
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/v1/identify", content=clip).json()["matches"]


@pytest.mark.integration
def test_a_real_vector_store_that_is_lost_is_waited_for_briefly(tmp_path: Path) -> None:
    """The first queries after a server ended fail within its time limit, those after them without any wait."""
    server = LiteServer(tmp_path)
    config = VectorsConfig(kind="milvus", uri=server.uri, timeout_s=2.0)
    with open_vectors(config, tmp_path) as vectors:
        vectors.create("songs", 4)
        vectors.upsert("songs", np.array([1 << 20], np.int64), np.eye(4, dtype=np.float32)[:1], random_peaks(1))
        vectors.flush("songs")
        guarded = GuardedVectors(vectors, Standing(2, OK))
        assert guarded.fetch("songs", np.array([1 << 20], np.int64)).keys.tolist() == [1 << 20]
        kill_server(tmp_path)
        waited_s = [refused_s(guarded) for _ in range(4)]
    server.close()
    assert max(waited_s[:2]) < 2.0 + 1.0
    assert max(waited_s[2:]) < 0.05


def refused_s(vectors: GuardedVectors) -> float:
    """How long it takes to be refused."""
    start = time.monotonic()
    with pytest.raises(VectorStoreError):
        vectors.search("songs", np.eye(4, dtype=np.float32), 1)
    return time.monotonic() - start
