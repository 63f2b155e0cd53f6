"""The client against a small server on a real socket."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serve.client import Client, ClientError, main
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.world import World

ANSWER = {"query": {"duration_s": 1.0}, "matches": [], "timings_ms": {"total": 1.0}}


class Handler(BaseHTTPRequestHandler):
    """Answers what the body asks for; a body `busy` is refused twice before it is answered."""

    refused = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if body == b"busy" and Handler.refused < 2:
            Handler.refused += 1
            self.reply(429, {"code": "too_many_requests", "detail": "full"}, {"Retry-After": "0"})
        elif body == b"always busy":
            self.reply(503, {"code": "overloaded", "detail": "the queue is full"}, {"Retry-After": "0"})
        elif body == b"short":
            self.reply(422, {"code": "too_short", "detail": "0.10 s of audio"})
        elif body == b"html":
            self.reply(502, "<html>bad gateway</html>")
        else:
            self.reply(200, ANSWER)

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read standard error."""


@pytest.fixture
def url() -> Iterator[str]:
    Handler.refused = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def files(folder: Path, **contents: str) -> list[str]:
    for name, content in contents.items():
        (folder / name).write_text(content)
    return [str(folder / name) for name in contents]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_line_for_every_file_in_order(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers and errors come as one JSON line each, in the order of the command line, and an error ends in 1."""
    names = files(tmp_path, good="x", short="short", html="html", last="x")
    names.insert(1, str(tmp_path / "absent"))
    assert main([url, *names]) == 1
    found = lines(capsys)
    assert [line["file"] for line in found] == names
    assert [line.get("code") for line in found] == [None, "missing", "too_short", "http_error", None]
    assert found[0] == {"file": names[0], **ANSWER}
    assert "0.10 s" in found[2]["error"]


def test_all_answered_is_a_zero(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When every file has an answer, also one with no match, the command ends with 0."""
    assert main([url, *files(tmp_path, a="x", b="y")]) == 0
    assert len(lines(capsys)) == 2


def test_nobody_listening_is_an_error_for_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address without a service is reported for each file, not with a traceback."""
    assert main(["http://127.0.0.1:9", *files(tmp_path, a="x", b="y")]) == 1
    assert [line["code"] for line in lines(capsys)] == ["unreachable", "unreachable"]


@pytest.mark.parametrize("arguments", [[], ["http://localhost"], ["-h", "x"], ["http://host:port", "x"]])
def test_a_wrong_command_line_is_a_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without files, or with a URL that is none, the command says so in one line and ends with 2."""
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_busy_service_is_asked_again(url: str) -> None:
    """What is refused with Retry-After is repeated, and given up after a few times with the service's own words."""
    with Client(url) as client:
        assert client.identify(b"busy") == ANSWER
        assert Handler.refused == 2
        with pytest.raises(ClientError, match="queue is full") as caught:
            client.identify(b"always busy")
    assert (caught.value.code, caught.value.status) == ("overloaded", 503)


def test_the_client_speaks_with_the_real_application(tmp_path: Path) -> None:
    """Identify, track, info and readiness work against the application itself."""
    world = World.with_songs()
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(world.clip(2, 11.0, 8.0)))
    with serving(world.api()) as http, Client(str(http.base_url)) as client:
        assert client.ready()
        assert client.identify(clip, limit=3)["matches"][0]["track_id"] == 2
        assert client.identify(clip, min_confidence=1.0)["matches"] == []
        assert client.track(2)["uri"] == "song 2.flac"
        assert client.info()["tracks"] == 3
        with pytest.raises(ClientError) as caught:
            client.track(99)
    assert caught.value.code == "unknown_track"


def test_the_command_runs_without_torch_or_ray(url: str, tmp_path: Path) -> None:
    """`python -m serve.client` starts without loading the service's own machinery."""
    (name,) = files(tmp_path, a="x")
    code = "import sys, serve.client as c; rc = c.main(sys.argv[1:]); print(sorted({'ray','torch'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code, url, name], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
