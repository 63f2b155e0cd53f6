"""What may come before a body: bounded in bytes and time, whoever sends it and however."""

import json
import socket
import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve import heads
from tests.service.live import serving
from tests.service.test_hostile_connections import resident_mib

MIB = 1 << 20
PATIENCE_S = 30.0  # for what takes a second
ENOUGH = 64  # MiB
LINE = b"GET /healthz HTTP/1.1\r\n"
MANY = b"".join(b"X-%d: y\r\n" % n for n in range(50_000))
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

TOO_LARGE = {
    "a line of 1 MB": [b"GET /" + b"a" * MIB + b" HTTP/1.1\r\n\r\n"],
    "a line without end": chain([b"GET /"], repeat(b"a" * MIB, ENOUGH)),
    "a header without end": chain([LINE + b"X: "], repeat(b"a" * MIB, ENOUGH)),
    "a name without end": chain([LINE], repeat(b"a" * MIB, ENOUGH)),
    "headers without end": chain([LINE], repeat(MANY, ENOUGH)),
    "50,000 headers": [LINE + MANY + b"\r\n"],
    "3,000 headers without a letter to spare": [LINE + b"a:\r\n" * 3_000 + b"\r\n"],
    "empty lines without end": repeat(b"\r\n" * MIB, ENOUGH),
    "trailers without end": chain([CHUNKED + b"0\r\nX: "], repeat(b"a" * MIB, ENOUGH)),
    "a chunk's extension without end": chain([CHUNKED + b"1;x="], repeat(b"a" * MIB, ENOUGH)),
}


async def reading(request: Request) -> Response:
    """Answers once the whole body is there."""
    await request.body()
    return Response("ok")


async def early(_: Request) -> Response:
    """Answers at once."""
    return Response("ok")


APP = Starlette(routes=[Route("/early", early, methods=["POST"]), Route("/", reading, methods=["GET", "POST"])])


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server of a process that has called `bound`, with a second for a head."""
    monkeypatch.setitem(heads.HTTP_PROTOCOLS, "auto", "")
    heads.bound()
    monkeypatch.setattr(heads, "LIMIT_S", 1.0)
    with serving(APP) as client:
        assert client.base_url.port is not None
        yield client.base_url.port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def said(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection, however it does."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionError:
        pass
    return found


def sent(connection: socket.socket, pieces: Iterable[bytes]) -> int:
    """Send them while they are taken; the bytes that were."""
    count = 0
    try:
        for piece in pieces:
            connection.sendall(piece)
            count += len(piece)
    except ConnectionError:
        pass
    return count


@pytest.mark.parametrize("name", TOO_LARGE)
def test_heads_are_bounded_in_size(port: int, name: str) -> None:
    """A request line, headers or trailers beyond the bound end their connection, without having taken memory, and
    others are answered."""
    before = resident_mib()
    with connected(port) as connection:
        sent(connection, TOO_LARGE[name])
        answer = said(connection)
    assert answer == b"" or b"431" in answer.split(b"\r\n")[0], answer[:300]
    assert resident_mib() - before < 16
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200


def test_a_head_that_is_too_large_is_a_problem(port: int) -> None:
    """Who sends no more than that reads why: 431 with a code."""
    with connected(port) as connection:
        connection.sendall(LINE + b"X: " + b"a" * heads.MOST_BYTES + b"\r\n\r\n")
        head, _, body = said(connection).partition(b"\r\n\r\n")
    assert b"431 Request Header Fields Too Large" in head and b"application/problem+json" in head
    assert json.loads(body)["code"] == "head_too_large"


@pytest.mark.parametrize(
    ("first", "code"),
    [(b"", None), (b"G", "head_timeout"), (LINE + b"X: ", "head_timeout"), (b"\r\n", None), (b"\0\r\n", "bad_request")],
    ids=["nothing", "a letter", "half a header", "an empty line", "no HTTP"],
)
def test_heads_are_bounded_in_time(port: int, first: bytes, code: str | None) -> None:
    """A connection on which no whole head arrives ends, with a problem where one has begun."""
    with connected(port) as connection:
        connection.sendall(first)
        answer = said(connection)
    assert (json.loads(answer.partition(b"\r\n\r\n")[2])["code"] if answer else None) == code


def dripped(connection: socket.socket, first: bytes, drop: bytes) -> bytes:
    """Send a drop every fifth of a second until that ends; what was said meanwhile."""
    connection.sendall(first)
    deadline = time.monotonic() + PATIENCE_S
    while sent(connection, [drop]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert time.monotonic() < deadline, "a drop now and then kept the connection"
    return said(connection)


@pytest.mark.parametrize(
    ("first", "drop"),
    [(LINE, b"X: y\r\n"), (b"", b"\r\n"), (b"POST /early HTTP/1.1\r\nContent-Length: 10000\r\n\r\n", b"x")],
    ids=["headers", "empty lines", "a body that was answered"],
)
def test_drops_do_not_keep_a_connection(port: int, first: bytes, drop: bytes) -> None:
    """Nobody keeps a connection by sending something now and then of what nobody waits for."""
    with connected(port) as connection:
        dripped(connection, first, drop)


def test_what_is_answered_is_not_hurried(port: int) -> None:
    """A body may take longer than a head, and requests follow each other on one connection, also after a pause."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    with connected(port) as connection:
        for _ in range(2):
            connection.sendall(head + b"ab")
            time.sleep(1.5)
            connection.sendall(b"cd")
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
            time.sleep(1.5)
