"""Callers who drip, announce and repeat: they cost a bounded time and little memory, and keep nobody from an answer."""

import socket
import time
from pathlib import Path

import pytest

from tests.service.live import serving
from tests.service.sounds import melody, wav
from tests.service.test_api import problem
from tests.service.world import World

BODY_S = 2.0
MIB = 1 << 20
MUCH_MIB = 150  # of growth, of this process
HEAD = "POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: {}\r\n\r\n"


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MIB


def dripping(port: int, length: int = 10_000) -> socket.socket:
    """A connection that has begun to send a body."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(HEAD.format(length).encode() + b"R")
    return connection


def status(connection: socket.socket) -> int:
    """Of the answer, the connection closed."""
    with connection:
        return int(connection.recv(65_536).split(b" ")[1])


def drip(connections: list[socket.socket], seconds: float) -> None:
    """A byte a second on each."""
    for _ in range(round(seconds)):
        for connection in connections:
            try:
                connection.send(b"I")
            except (BrokenPipeError, ConnectionResetError):
                continue
        time.sleep(1.0)


def _slow(count: int, seconds: float) -> None:
    clip = wav(melody(1, 2.0))
    with serving(World.with_songs().api(f"bounds.body_timeout_s={BODY_S}")) as client:
        port = client.base_url.port
        assert port is not None
        client.post("/v1/identify", content=clip)
        before = resident_mib()
        connections = [dripping(port) for _ in range(count)]
        assert client.post("/v1/identify", content=clip).status_code == 200, "others are answered meanwhile"
        drip(connections, seconds)
        assert {status(connection) for connection in connections} == {408}
        assert resident_mib() - before < MUCH_MIB
        assert client.post("/v1/identify", content=clip).status_code == 200


def test_bodies_that_drip_in() -> None:
    """A hundred bodies of a byte a second each end with 408 at their time, and clips are answered meanwhile."""
    _slow(100, BODY_S + 1)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_thousand_bodies_that_drip_in() -> None:
    """The same with two thousand, of half of them after the other."""
    for _ in range(5):
        _slow(400, BODY_S + 1)


@pytest.mark.parametrize("length", [2**31, 2**63, 10**18, 10**30])
def test_bodies_that_are_announced_and_never_come(length: int) -> None:
    """An announcement beyond the bound is a 413 once the body's time is over; nothing is set aside for it."""
    with serving(World().api(f"bounds.body_timeout_s={BODY_S}")) as client:
        before, began = resident_mib(), time.monotonic()
        assert client.base_url.port is not None
        assert status(dripping(client.base_url.port, length)) in (400, 408, 413)
        assert time.monotonic() - began < BODY_S + 5
        assert resident_mib() - before < MUCH_MIB


def form(parts: int, part: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(b"--x\r\n" + part % n for n in range(parts)) + b"--x--\r\n"
    return body, {"content-type": "multipart/form-data; boundary=x"}


FIELD = b'Content-Disposition: form-data; name="f%d"\r\n\r\nv\r\n'
FILE = b'Content-Disposition: form-data; name="file"; filename="%d"\r\n\r\nRIFF\r\n'
MANY_HEADS = b"".join(b"X-%d: y\r\n" % n for n in range(50_000)).replace(b"%", b"%%") + FIELD
LONG_NAME = b'Content-Disposition: form-data; name="' + b"f" * (8 * MIB) + b'%d"\r\n\r\nv\r\n'


@pytest.mark.parametrize(
    ("parts", "part"),
    [(20_000, FIELD), (20_000, FILE), (1, MANY_HEADS), (1, LONG_NAME)],
    ids=["fields", "files", "heads", "name"],
)
@pytest.mark.parametrize("path", ["/v1/identify", "/v1/timeline", "/v1/embed"])
def test_forms_of_thousands_of_parts(parts: int, part: bytes, path: str) -> None:
    """Are a 400, in time and without taking memory."""
    body, headers = form(parts, part)
    with serving(World().api()) as client:
        before, began = resident_mib(), time.monotonic()
        problem(client.post(path, content=body, headers=headers), 400, "malformed_upload")
        assert time.monotonic() - began < 10
        assert resident_mib() - before < MUCH_MIB
