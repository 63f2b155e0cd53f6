"""The segments of a long recording, asked for again where the service refused them before any was told."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.answers import Segment
from serve.calls import NotBegun, again_s
from serve.client import AsyncClient, Client, ClientError, Heard
from serve.meter import NoMeter
from serve.uploads import drain
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.world import World


class Refusing:
    """The application, which refuses the first recordings after their upload."""

    def __init__(self, app: ASGIApp, status: int, times: int) -> None:
        self.app, self.status, self.times = app, status, times
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/timeline":
            await self.app(scope, receive, send)
            return
        self.asked += 1
        if self.asked > self.times:
            await self.app(scope, receive, send)
            return
        await drain(receive, 1 << 30, 10.0)
        body = {"code": "refused", "detail": "not now"}
        await JSONResponse(body, self.status, headers={"Retry-After": "0"})(scope, receive, send)


@pytest.fixture(scope="module")
def recording() -> bytes:
    world = World.with_songs()
    return wav(world.clip(1, 0.0, 30.0))


@contextmanager
def refusing(status: int, times: int) -> Iterator[tuple[str, Refusing]]:
    app = Refusing(World.with_songs().api(), status, times)
    with serving(app) as http:
        yield str(http.base_url), app


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_before_any_segment_is_repeated(status: int, recording: bytes, tmp_path: Path) -> None:
    """A busy service gets the whole file once more, from both clients, from bytes and from a path."""
    path = tmp_path / "recording.wav"
    path.write_bytes(recording)
    with refusing(status, times=2) as (url, app), Client(url) as client:
        assert [segment["track_id"] for segment in client.timeline(path)] == [1]
        assert app.asked == 3
    with refusing(status, times=1) as (url, app):
        assert [segment["track_id"] for segment in asyncio.run(told(url, path))] == [1]
        assert app.asked == 2
        app.asked = 0
        assert [segment["track_id"] for segment in asyncio.run(told(url, recording))] == [1]


async def told(url: str, audio: bytes | Path) -> list[Segment]:
    async with AsyncClient(url) as client:
        return [segment async for segment in client.timeline(audio)]


def test_what_stays_refused_is_told(recording: bytes) -> None:
    """After `retries` attempts, and for what no attempt changes, the service's own problem is raised."""
    with refusing(503, times=9) as (url, app), Client(url, retries=1) as client:
        with pytest.raises(ClientError, match="not now") as caught:
            list(client.timeline(recording))
        assert (caught.value.code, caught.value.status, app.asked) == ("refused", 503, 2)
        with pytest.raises(ClientError) as caught:
            asyncio.run(told(url.replace("127.0.0.1", "127.0.0.2"), recording))
        assert caught.value.code == "unreachable"
    with refusing(422, times=0) as (url, app), Client(url) as client:
        with pytest.raises(ClientError) as caught:
            list(client.timeline(b"no audio"))
        assert (caught.value.code, app.asked) == ("unreadable", 1)


def test_what_can_be_sent_once_alone_is_not_repeated() -> None:
    """A pipe cannot be read from its beginning again: the refusal is raised."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with Client("http://127.0.0.1:1") as client:
        refusal = NotBegun(httpx.ConnectError("refused"))
        file = io.BytesIO(b"abc")
        file.read()
        assert again_s(refusal, file, 0, 3, client._http.base_url) < 1 and file.tell() == 0
        with pytest.raises(ClientError):
            again_s(refusal, Pipe(b"abc"), 0, 3, client._http.base_url)


class Timed(NoMeter):
    """Keeps the stages of long recordings."""

    def __init__(self) -> None:
        self.told: list[dict[str, float]] = []

    def timeline(self, timings_ms: dict[str, float]) -> None:  # type: ignore[override]
        self.told.append(timings_ms)


def test_stages_of_a_recording_are_counted(recording: bytes) -> None:
    """One that was followed to its end says how long each stage took, streamed or not; a refused one says nothing."""
    meter = Timed()
    with serving(World.with_songs().api(meter=meter)) as http:
        for headers in ({}, {"accept": "application/x-ndjson"}):
            http.post("/v1/timeline", content=recording, headers=headers)
        http.post("/v1/timeline", content=b"no audio")
    assert [set(told) for told in meter.told] == [{"decode", "embed", "search", "match", "lookup", "total"}] * 2
    assert all(told["total"] > 0 for told in meter.told)


def test_how_far_it_is_told_to_who_asks(recording: bytes) -> None:
    """Both clients tell it between the segments, in order up to the whole; who does not ask is not told."""
    heard: list[Heard] = []

    async def asked(url: str) -> list[Segment]:
        async with AsyncClient(url) as client:
            return [segment async for segment in client.timeline(recording, progress=heard.append)]

    with refusing(503, times=0) as (url, _), Client(url) as client:
        found = list(client.timeline(recording, progress=heard.append))
        told_first, heard[:] = heard.copy(), []
        assert asyncio.run(asked(url)) == found and [segment["track_id"] for segment in found] == [1]
        assert heard == told_first == sorted(heard, key=lambda part: part.heard_s)
        assert heard[-1].heard_s == pytest.approx(30.0, abs=0.1) and heard[-1].share > 0.99
        heard.clear()
        assert list(client.timeline(recording)) == found and heard == []
