"""GET /v1/listen as callers see it: a WebSocket that takes samples and tells what is known."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.signal import resample_poly
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from ingest.stores import VectorStoreError
from serve.access import KeyRing
from serve.config import KeyConfig
from serve.keys import hash_of, new_token
from serve.listening import Resampler
from serve.schema import Heard, Problem
from tests.service.live import serving
from tests.service.sounds import RATE, Samples, melody
from tests.service.world import World

PIECE_S = 0.25


@contextmanager
def calling(client: httpx.Client, query: str = "") -> Iterator[ClientConnection]:
    url = str(client.base_url.copy_with(scheme="ws", path="/v1/listen")) + query
    with connect(url, proxy=None) as socket:
        yield socket


def pcm(samples: Samples) -> bytes:
    return np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def pieces(samples: Samples, rate: int = RATE) -> Iterator[bytes]:
    step = round(PIECE_S * rate)
    return (pcm(samples[start : start + step]) for start in range(0, len(samples), step))


def answers(socket: ClientConnection) -> Iterator[dict[str, Any]]:
    """All up to the end of the connection."""
    try:
        for message in socket:
            yield json.loads(message)
    except ConnectionClosed:
        return


def closed(socket: ClientConnection) -> tuple[int | None, str]:
    """How the service ended it."""
    list(answers(socket))
    return socket.close_code, socket.close_reason or ""


def test_a_song_is_told_as_soon_as_it_is_known(world: World, client: httpx.Client) -> None:
    """An answer for every half second of sound; after a few seconds it names the song and says that is enough."""
    with calling(client) as socket:
        for piece in pieces(world.clip(2, 17.3, 8.0)):
            socket.send(piece)
        heard = [Heard.model_validate_json(socket.recv(timeout=10)) for _ in range(16)]
    assert [one.heard_s for one in heard] == [0.5 * (n + 1) for n in range(16)]
    first = next(one for one in heard if one.enough)
    assert first.heard_s < 8
    assert first.matches[0].track_id == 2
    assert first.matches[0].offset_s == pytest.approx(17.3, abs=0.1)
    assert heard[0].matches == [] and not heard[0].enough


def test_another_rate_is_resampled(world: World, client: httpx.Client) -> None:
    """44,100 samples a second give the same song, and as many seconds."""
    high = resample_poly(world.clip(3, 5.0, 8.0), 441, 80).astype(np.float32)
    with calling(client, "?rate=44100") as socket:
        for piece in pieces(high, 44_100):
            socket.send(piece)
        heard = [Heard.model_validate_json(socket.recv(timeout=10)) for _ in range(15)]
    assert heard[-1].heard_s == pytest.approx(7.5, abs=0.3)
    assert heard[-1].matches[0].track_id == 3


def test_pieces_resample_to_what_the_whole_does() -> None:
    """However it is cut, the samples of a rate become the same samples, up to what the resampler still holds."""
    tone = (8000 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
    whole = Resampler(48_000)(tone)
    resampler = Resampler(48_000)
    cut = np.concatenate([resampler(piece) for piece in np.array_split(tone, 7)])
    assert np.array_equal(cut, whole[: len(cut)])
    assert 8000 - len(cut) < 100


def test_unknown_sound_and_silence_have_no_answer(client: httpx.Client) -> None:
    """They are heard, and nothing is told of them."""
    for sound in (melody(99, 4.0), np.zeros(4 * RATE, np.float32)):
        with calling(client) as socket:
            for piece in pieces(sound):
                socket.send(piece)
            heard = [Heard.model_validate_json(socket.recv(timeout=10)) for _ in range(8)]
        assert not any(one.matches or one.enough for one in heard)


def test_an_empty_catalogue_hears_and_knows_nothing() -> None:
    """Without a generation every answer is empty."""
    with serving(World().api()) as client, calling(client) as socket:
        socket.send(pcm(melody(1, 1.0)))
        assert json.loads(socket.recv(timeout=10)) == {"heard_s": 1.0, "matches": [], "enough": False}


def test_what_is_no_sample_ends_it(client: httpx.Client) -> None:
    """Text, half a sample, a rate that is none."""
    for message, code in (("hello", 1003), (b"abc", 1007)):
        with calling(client) as socket:
            socket.send(message)
            assert closed(socket)[0] == code
    with pytest.raises(Exception, match="403"), calling(client, "?rate=1"):
        pass


def test_bounds(world: World) -> None:
    """So much sound, such messages, so long a pause, so many callers."""
    small = ("bounds.listen_s=2", "bounds.listen_message_kib=8", "bounds.listen_idle_s=0.3", "bounds.listeners=1")
    with serving(world.api(*small)) as client:
        with calling(client) as socket:
            for piece in list(pieces(melody(9, 3.0))):
                socket.send(piece)
            found = [json.loads(socket.recv(timeout=10))["heard_s"] for _ in range(4)]
            assert found == [0.5, 1.0, 1.5, 2.0]
            assert closed(socket) == (1000, "heard to the end")
        with calling(client) as socket:
            socket.send(bytes(10_000))
            assert closed(socket)[0] == 1009
        with calling(client) as socket:
            assert closed(socket)[0] == 1008
    with serving(world.api("bounds.listeners=1")) as client, calling(client) as first:
        first.send(pcm(melody(1, 0.6)))
        first.recv(timeout=10)
        with calling(client) as second:
            assert Problem.model_validate(next(answers(second))).code == "too_many_requests"
            assert closed(second)[0] == 1013


def test_a_lost_store_is_told(world: World) -> None:
    """As a problem, and the connection ends."""
    away = World.with_songs()
    with serving(away.api()) as client, calling(client) as socket:
        away.vectors.away = True
        socket.send(pcm(away.clip(1, 3.0, 2.0)))
        assert Problem.model_validate(next(answers(socket))).code == VectorStoreError.code
        assert closed(socket)[0] == 1011


def test_a_caller_may_leave_at_any_time(world: World) -> None:
    """The place is free again after the look under way, and the service goes on."""
    with serving(world.api("bounds.listeners=1")) as client:
        with calling(client) as socket:
            socket.send(pcm(world.clip(1, 3.0, 2.0)))
        deadline = time.monotonic() + 10
        while (found := asked(client, world)).get("code") == "too_many_requests":
            assert time.monotonic() < deadline, "the place is still taken"
            time.sleep(0.1)
        assert found["matches"][0]["track_id"] == 1


def asked(client: httpx.Client, world: World) -> dict[str, Any]:
    """The first thing that is said to a new caller."""
    with calling(client) as socket:
        with suppress(ConnectionClosed):
            socket.send(pcm(world.clip(1, 3.0, 6.0)))
        return next(answers(socket))


def test_a_key_opens_the_socket(world: World) -> None:
    """Without a key the handshake is a 401 problem, with it the socket is as ever."""
    token = new_token()
    with serving(world.api(ring=KeyRing([KeyConfig("k", hash_of(token))]))) as client:
        url = str(client.base_url.copy_with(scheme="ws", path="/v1/listen"))
        with pytest.raises(InvalidStatus) as caught:
            connect(url, proxy=None)
        response = caught.value.response
        assert response.status_code == 401 and response.headers["www-authenticate"] == 'Bearer realm="refrain"'
        assert json.loads(response.body)["code"] == "unauthorized"
        with connect(url, proxy=None, additional_headers={"x-api-key": token}) as socket:
            socket.send(pcm(world.clip(1, 0.0, 1.0)))
            assert "matches" in json.loads(socket.recv())


@pytest.mark.parametrize(
    ("origin", "listed", "let_in"),
    [
        (None, "", True),
        ("same", "", True),
        ("https://app.example", "https://app.example", True),
        ("https://app.example", "*", True),
        ("https://app.example", "", False),
        ("https://evil.example", "https://app.example", False),
        ("null", "https://app.example", False),
    ],
)
def test_pages_of_other_origins_are_refused(world: World, origin: str | None, listed: str, let_in: bool) -> None:
    """Our own pages, listed ones and programs may listen; any other page is a 403 with a code, before the handshake."""
    with serving(world.api(origins=listed)) as client:
        url = str(client.base_url.copy_with(scheme="ws", path="/v1/listen"))
        ours = str(client.base_url).rstrip("/")
        try:
            with connect(url, proxy=None, origin=ours if origin == "same" else origin):  # type: ignore[arg-type]
                opened = True
        except InvalidStatus as refused:
            opened = refused.response.status_code != 403
    assert opened == let_in


def test_the_refusal_of_a_page_is_a_problem(world: World) -> None:
    """A server that can answer a handshake sends problem+json with the code."""
    with serving(world.api()) as client:
        url = str(client.base_url.copy_with(scheme="ws", path="/v1/listen"))
        with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None, origin="https://evil.example"):
            pass
    response = refused.value.response
    assert response.status_code == 403 and response.body is not None
    assert Problem.model_validate_json(response.body).code == "foreign_origin"


def test_a_key_may_stand_among_the_subprotocols(world: World) -> None:
    """As a browser must send it: the right one opens the socket and is not sent back, a wrong one is a 401."""
    token = new_token()
    with serving(world.api(ring=KeyRing([KeyConfig("k", hash_of(token))]))) as client:
        url = str(client.base_url.copy_with(scheme="ws", path="/v1/listen"))
        offered = [Subprotocol("refrain"), Subprotocol(f"refrain.key.{token}")]
        with connect(url, proxy=None, subprotocols=offered) as socket:
            assert socket.subprotocol == "refrain"
            socket.send(pcm(world.clip(1, 0.0, 1.0)))
            assert "matches" in json.loads(socket.recv())
        with pytest.raises(InvalidStatus):
            connect(url, proxy=None, subprotocols=[Subprotocol("refrain"), Subprotocol("refrain.key.x")])


def test_evidence_is_told_on_request(world: World, client: httpx.Client) -> None:
    """Asked for it, what is known so far comes with the moments that met; unasked, without."""
    for query, told in (("?evidence=true", True), ("", False)):
        with calling(client, query) as socket:
            socket.send(pcm(world.clip(2, 17.3, 6.0)))
            match = json.loads(socket.recv(timeout=10))["matches"][0]
        assert ("evidence" in match) is told
