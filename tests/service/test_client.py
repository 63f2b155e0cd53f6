"""The client against a small server on a real socket."""

import asyncio
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import httpx
import pytest

from serve import answers, schema
from serve.access import KeyRing
from serve.calls import wait_s
from serve.client import AsyncClient, Client, ClientError, main
from serve.config import KeyConfig
from serve.keys import hash_of, new_token
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.world import World

ANSWER = {"query": {"duration_s": 1.0}, "matches": [], "timings_ms": {"total": 1.0}}


class Handler(BaseHTTPRequestHandler):
    """Answers what the body asks for; a body `busy` is refused twice before it is answered."""

    refused = 0
    sent: ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        Handler.sent = {name.lower(): value for name, value in self.headers.items()}
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

    def do_GET(self) -> None:
        self.reply(404, {"code": "not_found", "detail": "nothing here"})

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


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["http://localhost"], ["-h", "x"], ["http://host:port", "x"],
        ["--at-once", "0", "http://x", "x"], ["--at-once", "x", "http://x", "x"], ["--at-once"], ["--at-once", "2", "http://x"],
    ],
)  # fmt: skip
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


def answered(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers)


def test_what_is_worth_another_attempt() -> None:
    """A busy or passing failure is; a success, a mistake, too long a wait and the last attempt are not."""
    for outcome in (answered(503), answered(429), answered(502), httpx.ConnectError("refused"), httpx.ReadError("cut")):
        for attempt in range(3):
            pause_s = wait_s(outcome, attempt, 3)
            assert pause_s is not None and 0 <= pause_s <= 0.25 * 2**attempt
        assert wait_s(outcome, 3, 3) is None
    never = [answered(200), answered(404), answered(500), answered(503, **{"retry-after": "61"})]
    for outcome in (*never, httpx.ReadTimeout("slow"), httpx.LocalProtocolError("bad"), httpx.InvalidURL("bad")):
        assert wait_s(outcome, 0, 3) is None
    assert max(wait_s(httpx.ReadError("cut"), 30, 99) or 0 for _ in range(50)) <= 8


def test_retry_after_is_kept() -> None:
    """At least as long as was asked is waited, in seconds or until a date, whatever the status; not equally by all."""
    pauses = {wait_s(answered(409, **{"retry-after": "7"}), 2, 3) for _ in range(20)}
    assert len(pauses) > 1 and all(pause_s is not None and 7 <= pause_s <= 8 for pause_s in pauses)
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    pause_s = wait_s(answered(503, **{"retry-after": at}), 0, 3)
    assert pause_s is not None and 28 <= pause_s <= 31
    assert wait_s(answered(400, **{"retry-after": "soon"}), 0, 3) is None


def test_many_are_asked_at_once_and_answered_in_order(url: str, tmp_path: Path) -> None:
    """Every path comes with its answer or its error, in order; progress counts to the end; leaving early is fine."""
    names = files(tmp_path, a="x", b="short", c="busy", d="x")
    names.insert(2, str(tmp_path / "absent"))
    seen: list[tuple[int, int]] = []
    with Client(url) as client:
        found = list(client.identify_many(names, at_once=3, progress=lambda done, total: seen.append((done, total))))
        assert [path for path, _ in found] == names
        codes = [answer.code if isinstance(answer, ClientError) else "ok" for _, answer in found]
        assert codes == ["ok", "too_short", "missing", "ok", "ok"]
        assert seen == [(number, 5) for number in range(1, 6)]
        assert next(client.identify_many(names))[0] == names[0]


def test_several_at_once_change_no_line(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --at-once the lines are the same, in the same order, and nothing but them is printed off a terminal."""
    names = files(tmp_path, a="x", b="short", c="x", d="html")
    assert main([url, *names]) == 1
    alone = capsys.readouterr()
    assert main(["--at-once", "3", url, *names]) == 1
    assert capsys.readouterr() == alone and alone.err == ""


def test_the_key_is_sent_and_never_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is taken from the argument before the environment; one that no header holds is refused unseen."""
    monkeypatch.setenv("REFRAIN_API_KEY", "from the environment".replace(" ", "-"))
    with Client(url) as client:
        client.identify(b"x")
    assert Handler.sent["authorization"] == "Bearer from-the-environment"
    with Client(url, api_key="given\n") as client:
        client.identify(b"x")
    assert Handler.sent["authorization"] == "Bearer given"
    for wrong in ("sec ret", "sécret", "sec\nret"):
        with pytest.raises(ClientError) as caught:
            Client(url, api_key=wrong)
        assert caught.value.code == "bad_key" and "ret" not in str(caught.value)


def test_the_client_speaks_with_the_real_application(tmp_path: Path) -> None:
    """Every method works against the application itself, with its key, and errors carry the service's code."""
    world = World.with_songs()
    world.catalog.copies[2] = [3]
    token = new_token()
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(world.clip(2, 11.0, 8.0)))
    app = world.api(ring=KeyRing([KeyConfig("k", hash_of(token), ["read", "write"])]))
    with serving(app) as http, Client(str(http.base_url), api_key=token) as client:
        assert client.ready()
        assert client.identify(clip, limit=3)["matches"][0]["track_id"] == 2
        assert client.identify(clip, min_confidence=1.0)["matches"] == []
        assert client.identify(clip, start_s=2.0)["query"]["used"] == {"start_s": 2.0, "end_s": 8.0}
        assert [track["track_id"] for track in client.tracks("song 2")["tracks"]] == [2]
        assert client.tracks(limit=2)["next"] == 2
        assert client.track(2)["uri"] == "song 2.flac"
        assert [track["track_id"] for track in client.duplicates(2)["duplicates"]] == [3]
        assert client.info()["tracks"] == 3
        client.delete_track(2)
        with pytest.raises(ClientError) as caught:
            client.track(2)
        assert caught.value.code == "unknown_track"
        with Client(str(http.base_url)) as stranger, pytest.raises(ClientError) as caught:
            stranger.info()
        assert (caught.value.code, caught.value.status) == ("unauthorized", 401)


def test_the_async_client_does_the_same(url: str, tmp_path: Path) -> None:
    """The same methods, awaited: answers, errors, repeats and many at once."""
    world = World.with_songs()
    world.catalog.copies[2] = [3]
    clip = wav(world.clip(2, 11.0, 8.0))

    async def ask(base: str) -> None:
        async with AsyncClient(base) as client:
            assert await client.ready()
            assert (await client.identify(clip, limit=1))["matches"][0]["track_id"] == 2
            assert (await client.tracks(limit=1))["next"] == 1
            assert (await client.duplicates(2))["duplicates"][0]["track_id"] == 3
            await client.delete_track(2)
            assert (await client.info())["tracks"] == 2
            with pytest.raises(ClientError, match="no track 2"):
                await client.track(2)

    async def ask_many() -> None:
        names = files(tmp_path, a="x", b="short", c="x")
        seen: list[int] = []
        async with AsyncClient(url) as client:
            assert not await client.ready()
            many = client.identify_many(names, at_once=2, progress=lambda done, _: seen.append(done))
            found = [(path, isinstance(answer, ClientError)) async for path, answer in many]
            assert found == [(names[0], False), (names[1], True), (names[2], False)] and seen == [1, 2, 3]
            assert await client.identify(b"busy") == ANSWER

    with serving(world.api()) as http:
        asyncio.run(ask(str(http.base_url)))
    asyncio.run(ask_many())


def test_both_clients_have_the_same_methods() -> None:
    """What one can be asked, the other can be, by the same names."""
    told = [
        {name: list(inspect.signature(method).parameters) for name, method in vars(kind).items() if name[0] != "_"}
        for kind in (Client, AsyncClient)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "name",
    [
        "TrackAnswer",
        "TrackPage",
        "Duplicates",
        "Match",
        "Sound",
        "Segment",
        "Stretch",
        "Query",
        "Identification",
        "Info",
    ],
)
def test_answers_are_typed_as_the_schema_says(name: str) -> None:
    """The client's types have the fields of the service's models."""
    assert set(get_type_hints(getattr(answers, name))) == set(getattr(schema, name).model_fields)


def test_the_command_runs_without_torch_or_ray(url: str, tmp_path: Path) -> None:
    """`python -m serve.client` starts without loading the service's own machinery."""
    (name,) = files(tmp_path, a="x")
    code = "import sys, serve.client as c; rc = c.main(sys.argv[1:]); print(sorted({'ray','torch'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code, url, name], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
