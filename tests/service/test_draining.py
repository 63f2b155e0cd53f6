"""A replica that is about to end: what is short is answered, what is long is told to ask again."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from conf import compose
from ingest.fingerprint import Embeddings
from serve.config import ServeConfig
from serve.fakes import Pcm, SpectralEmbedder
from serve.local_ray import cpus
from serve.scaling import scaled
from tests.service.live import serving
from tests.service.sounds import melody, wav
from tests.service.test_api import problem
from tests.service.test_listen import pcm
from tests.service.world import World

STREAMED = {"accept": "application/x-ndjson"}


@pytest.fixture
def world() -> World:
    return World.with_songs()


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world.api("bounds.timeline_window_s=5")) as client:
        yield client


class LastWindows(SpectralEmbedder):
    """The replica begins to end while the fourth window is embedded."""

    world: World
    windows = 0

    def embed_windows(self, windows: Sequence[Pcm]) -> list[Embeddings]:
        self.windows += 1
        if self.windows == 4:
            self.world.ending = True
            time.sleep(1.0)
        return super().embed_windows(windows)


@pytest.fixture(scope="module")
def mix() -> bytes:
    return wav(melody(1, 60.0))


def test_a_long_recording_is_told_to_ask_again(world: World, mix: bytes) -> None:
    """In one answer it is a problem that may be repeated, streamed it is the last line."""
    for headers in ({}, STREAMED):
        embedder = LastWindows()
        embedder.world = World(world.vectors, world.catalog, embedder, world.songs)
        with serving(embedder.world.api("bounds.timeline_window_s=5")) as client:
            response = client.post("/v1/timeline", content=mix, headers=headers)
            if not headers:
                problem(response, 503, "draining")
                assert int(response.headers["retry-after"]) >= 1
                continue
        last = json.loads(response.text.splitlines()[-1])
        assert (response.status_code, last["code"], last["status"]) == (200, "draining", 503)


def test_an_upload_is_not_waited_for(world: World, client: httpx.Client) -> None:
    """A recording that is still being sent is told so at once, and so is one that comes later."""
    gate = threading.Event()

    def body() -> Iterator[bytes]:
        yield bytes(1 << 16)
        world.ending = True
        gate.wait(5)
        yield bytes(1 << 16)

    start = time.monotonic()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(client.post("/v1/timeline", content=body())))
    asking.start()
    time.sleep(1.0)
    problem(client.post("/v1/timeline", content=b"more"), 503, "draining")
    assert time.monotonic() - start < 4
    gate.set()
    asking.join()
    problem(answers[0], 503, "draining")


def test_a_caller_who_is_heard_live_is_closed_with_a_code(world: World, client: httpx.Client) -> None:
    """1012 and a problem with the code, right away and not when the next sound comes."""
    with connect(str(client.base_url.copy_with(scheme="ws", path="/v1/listen")), proxy=None) as socket:
        socket.send(pcm(world.clip(2, 17.3, 1.0)))
        assert json.loads(socket.recv(timeout=10))["heard_s"] == 1.0
        world.ending = True
        assert json.loads(socket.recv(timeout=5))["code"] == "draining"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)
        assert (socket.close_code, socket.close_reason) == (1012, "draining")


def test_clips_are_answered_to_the_end(world: World, client: httpx.Client) -> None:
    """A replica that is about to end answers the queries that it still gets."""
    world.ending = True
    time.sleep(0.6)
    answer = client.post("/v1/identify", content=wav(world.clip(2, 17.3, 8.0))).json()
    assert [match["track_id"] for match in answer["matches"]] == [2]
    assert client.get("/healthz").status_code == 200


def made(*options: str) -> Any:
    return compose("serve", ["home=/nonexistent", *options], ServeConfig).resources


def test_replicas_follow_the_load_where_that_is_wanted() -> None:
    """By default their number is fixed; with a greater limit Ray Serve gets the range, the target and the delays."""
    fixed, growing = made(), made("resources.api_max_replicas=4", "resources.api_target=3")
    assert scaled(fixed.api_replicas, fixed.api_max_replicas, fixed.api_target, fixed) == {"num_replicas": 1}
    assert scaled(growing.api_replicas, growing.api_max_replicas, growing.api_target, growing) == {
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": 4,
            "target_ongoing_requests": 3.0,
            "upscale_delay_s": 15.0,
            "downscale_delay_s": 300.0,
        }
    }
    assert cpus(growing) == pytest.approx(4 * 0.2)
    assert cpus(made("resources.api_max_replicas=4", "resources.embed_replicas=1")) == pytest.approx(4 * 0.2 + 0.3)
