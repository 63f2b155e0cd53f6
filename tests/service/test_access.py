"""Keys over HTTP: who is let in, who is not and how that is told."""

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.stores import ConfigurationError
from serve.access import KeyRing, permission_of
from serve.config import KeyConfig
from serve.keys import hash_of, line_of, new_token
from serve.rates import TokenBucket
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.test_api import CountingMeter, problem
from tests.service.world import World

READER, WRITER, ADMIN, RATED = (new_token() for _ in range(4))
KEYS = [
    KeyConfig("reader", hash_of(READER)),
    KeyConfig("writer", hash_of(WRITER), ["write"]),
    KeyConfig("admin", hash_of(ADMIN), ["admin", "read", "write"]),
]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
def client(meter: CountingMeter) -> Iterator[httpx.Client]:
    app = World.with_songs().api(ring=KeyRing(KEYS), meter=meter, origins="https://app.example")
    with serving(app) as client:
        yield client


def test_without_a_key_nothing_is_told(client: httpx.Client) -> None:
    """Every route but health and pages is a 401 that says how to do better, whatever is sent in place of a key."""
    for method, path in (
        ("POST", "/v1/identify"), ("GET", "/v1/info"), ("GET", "/v1/tracks"), ("DELETE", "/v1/tracks/1"),
        ("GET", "/metrics"), ("GET", "/v1/nothing"), ("GET", "//v1/info"), ("GET", "/V1/info"),
    ):  # fmt: skip
        response = client.request(method, path)
        assert "X-API-Key" in problem(response, 401, "unauthorized"), path
        assert response.headers["www-authenticate"] == 'Bearer realm="refrain"'
    for wrong in (bearer(new_token()), bearer(READER[:-1]), bearer("ü"), {"x-api-key": KEYS[0].hash}):
        encoded = {name: value.encode() for name, value in wrong.items()}
        response = client.get("/v1/info", headers=encoded)
        assert READER not in problem(response, 401, "unauthorized")
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
    for headers in ({"authorization": f"Basic {READER}"}, {"authorization": "Bearer"}, {"x-api-key": ""}):
        problem(client.get("/v1/info", headers=headers), 401, "unauthorized")
    for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/web/page.js"):
        assert client.get(path).status_code == 200, path


def test_both_headers_open(client: httpx.Client) -> None:
    """A key is taken from Authorization in any case of its scheme, or from X-API-Key beside a gateway's own scheme."""
    for headers in (
        bearer(READER),
        {"authorization": f"bearer {READER}"},
        {"x-api-key": READER},
        {"authorization": "Basic abc", "x-api-key": READER},
    ):
        assert client.get("/v1/info", headers=headers).status_code == 200


def test_scopes_bound_what_a_key_may_do(client: httpx.Client) -> None:
    """read asks, write deletes, admin sees figures; a missing scope is a 403 that names it, and no token."""
    assert client.post("/v1/identify", content=wav(World.with_songs().clip(1, 3.0, 6.0)), headers=bearer(READER)).json()
    for token, method, path, scope in (
        (READER, "DELETE", "/v1/tracks/1", "write"),
        (READER, "GET", "/metrics", "admin"),
        (WRITER, "GET", "/v1/info", "read"),
    ):
        response = client.request(method, path, headers=bearer(token))
        assert f"lacks the scope {scope}" in problem(response, 403, "forbidden")
        assert f'scope="{scope}"' in response.headers["www-authenticate"]
        assert token not in response.text
    assert client.delete("/v1/tracks/1", headers=bearer(WRITER)).status_code == 204
    assert client.get("/metrics", headers=bearer(ADMIN)).status_code == 200


def test_a_refused_upload_is_read_to_its_end(client: httpx.Client) -> None:
    """A caller that is still sending reads the 401, and the connection goes on."""
    problem(client.post("/v1/identify", content=bytes(8 << 20)), 401, "unauthorized")
    assert client.get("/v1/info", headers=bearer(READER)).status_code == 200


def test_refusals_are_counted(client: httpx.Client, meter: CountingMeter) -> None:
    """Figures tell refused requests by their code, and keys by their names."""
    client.get("/v1/info", headers=bearer(new_token()))
    client.delete("/v1/tracks/1", headers=bearer(READER))
    assert meter.seen == [("none", 401, "unauthorized"), ("none", 403, "forbidden")]
    client.get("/v1/info", headers=bearer(READER))
    assert meter.keys == ["", "reader", "reader"]


def test_a_rate_is_kept_and_told() -> None:
    """A key with a rate is answered until its burst is spent, then 429 with the time of the next one; others go on."""
    key = KeyConfig("rated", hash_of(RATED), ["read"], per_minute=2.0, burst=2)
    with serving(World.with_songs().api(ring=KeyRing([key, *KEYS]))) as client:
        answers = [client.get("/v1/info", headers=bearer(RATED)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        problem(answers[2], 429, "rate_limited")
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"minute";q=2;w=60'}
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 30
        assert client.get("/healthz", headers=bearer(RATED)).status_code == 200
        other = client.get("/v1/info", headers=bearer(READER))
        assert other.status_code == 200 and "ratelimit" not in other.headers


def test_buckets_fill_steadily() -> None:
    """A bucket gives its burst, then as many as the minute says, and never holds more than its burst."""
    clock = Clock()
    bucket = TokenBucket(per_minute=30, burst=3, clock=clock)
    assert [bucket.take().granted for _ in range(4)] == [True, True, True, False]
    assert bucket.take().wait_s == 2
    clock.now += 1.9
    assert not bucket.take().granted
    clock.now += 0.2
    assert bucket.take().granted
    clock.now += 3600
    assert bucket.take().remaining == 2


def test_keys_of_a_file_are_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A changed file changes who is let in within a second; a broken one changes nothing and is told once."""
    file, clock = tmp_path / "keys.yaml", Clock()
    file.write_text(line_of(KEYS[0]))
    ring = KeyRing([], file, clock)
    assert ring.find(READER) and not ring.find(WRITER)

    def rewrite(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").replace(file)
        clock.now += 2

    rewrite(f"{line_of(KEYS[1])}\n{line_of(KEYS[2])}\n")
    assert not ring.find(READER) and ring.find(WRITER) and ring.find(ADMIN)
    with caplog.at_level(logging.WARNING):
        rewrite(f"- {READER}")
        assert ring.find(WRITER) and not ring.find(READER)
        clock.now += 2
        assert ring.find(WRITER)
        file.unlink()
        clock.now += 2
        assert ring.find(WRITER)
    assert len(caplog.messages) == 2 and not any(READER in message for message in caplog.messages)
    rewrite("[]")
    assert not ring.find(WRITER)


def test_a_spent_rate_survives_a_change_of_the_file(tmp_path: Path) -> None:
    """Reading the file again gives no key a new allowance unless its own line changed."""
    file, clock = tmp_path / "keys.yaml", Clock()
    rated = KeyConfig("rated", hash_of(RATED), per_minute=1.0, burst=1)
    file.write_text(line_of(rated))
    ring = KeyRing([], file, clock)
    first = ring.find(RATED)
    file.write_text(f"{line_of(rated)}\n{line_of(KEYS[0])}\n")
    os.utime(file, (1, 1))
    clock.now += 2
    assert ring.find(READER) and ring.find(RATED) is first


def test_a_file_without_keys_opens_nothing(tmp_path: Path) -> None:
    """A service that was told of a file does not start open when the file is empty or missing."""
    (tmp_path / "empty").write_text("")
    for name, said in (("empty", "holds no key"), ("missing", "No such file")):
        with pytest.raises(ConfigurationError, match=said):
            KeyRing([], tmp_path / name)


def test_pages_of_other_origins(client: httpx.Client) -> None:
    """A listed origin may ask, preflight included and without a key; any other may not; by default nobody may."""
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    listed = client.options("/v1/identify", headers={"origin": "https://app.example", **ask})
    assert listed.headers["access-control-allow-origin"] == "https://app.example"
    other = client.options("/v1/identify", headers={"origin": "https://evil.example", **ask})
    assert "access-control-allow-origin" not in other.headers
    refused = client.get("/v1/info", headers={"origin": "https://app.example"})
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "https://app.example"
    with serving(World.with_songs().api()) as plain:
        answer = plain.get("/v1/info", headers={"origin": "https://app.example"})
        assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


def test_the_api_tells_its_keys(client: httpx.Client) -> None:
    """/openapi.json names both ways to send a key, and which routes want one; without keys it names none."""
    spec = client.get("/openapi.json").json()
    assert {scheme["type"] for scheme in spec["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    assert spec["paths"]["/v1/identify"]["post"]["security"] == [{"bearer": []}, {"api_key": []}]
    assert {"401", "403", "429"} <= set(spec["paths"]["/v1/tracks/{track_id}"]["delete"]["responses"])
    assert "security" not in spec["paths"]["/healthz"]["get"]
    with serving(World.with_songs().api()) as plain:
        assert "securitySchemes" not in plain.get("/openapi.json").json()["components"]


def test_websockets_are_guarded_as_well() -> None:
    """A WebSocket without a key is refused before it is accepted, as a response where the server can send one."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = World.with_songs().api(ring=KeyRing(KEYS))
    scope = {"type": "websocket", "path": "/v1/listen", "headers": [], "state": {}}
    asyncio.run(app(scope, receive, send))
    asyncio.run(app(scope | {"extensions": {"websocket.http.response": {}}}, receive, send))
    assert [message["type"] for message in sent] == [
        "websocket.close", "websocket.http.response.start", "websocket.http.response.body",
    ]  # fmt: skip
    assert (sent[0]["code"], sent[1]["status"]) == (1008, 401)


def test_whatever_is_not_known_is_closed() -> None:
    """A path that looks almost like an open one wants a key, also under a prefix."""
    for path in ("/docs/", "/healthz/", "/x/healthz", "/web", "", "/v1", "/.well-known", "/metrics/"):
        assert permission_of("GET", path) == "read", path
    assert permission_of("PATCH", "/v1/tracks") == "write"
