"""HTTP as callers see it: the real application over a catalogue in memory."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from ingest.stores import MetadataError
from serve.api import WEB
from serve.meter import NoMeter
from serve.schema import Identification, Problem
from tests.service.live import serving
from tests.service.sounds import melody, wav, wav_without_samples
from tests.service.world import World
from tests.waiting import wait_for

MATCH_FIELDS = {
    *("track_id", "uri", "title", "artist", "album", "isrc", "offset_s", "score", "confidence", "speed"),
    *("pitch_semitones", "aligned_s", "same_recording"),
}


def matches(client: httpx.Client, upload: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post("/v1/identify", content=upload).json()["matches"]
    return found


def problem(response: httpx.Response, status: int, code: str) -> str:
    """The detail of a response that must be this problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate(response.json())
    assert (found.status, found.code) == (status, code)
    assert found.type == f"urn:refrain:problem:{code}"
    assert found.request_id == response.headers["x-request-id"]
    return found.detail


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "audio/wav", "image/png", "text/plain; charset=x"]
)
def test_raw_bytes_under_any_content_type_are_identified(client: httpx.Client, clip: bytes, content_type: str) -> None:
    """The content type is a hint at most: the same bytes give the same track."""
    answer = client.post("/v1/identify", content=clip, headers={"content-type": content_type}).json()
    assert [match["track_id"] for match in answer["matches"]] == [2]


def test_the_answer_has_exactly_the_promised_fields(client: httpx.Client, clip: bytes) -> None:
    """Query, matches and timings are as the contract names them, in milliseconds that add up."""
    answer = client.post("/v1/identify", content=clip).json()
    assert set(answer) == {"query", "matches", "timings_ms"}
    assert answer["query"] == {"duration_s": 8.0}
    assert set(answer["matches"][0]) == MATCH_FIELDS
    assert answer["matches"][0]["uri"] == "song 2.flac"
    assert answer["matches"][0]["offset_s"] == pytest.approx(17.3, abs=0.1)
    timings = answer["timings_ms"]
    assert set(timings) == {"decode", "embed", "search", "match", "lookup", "total"}
    assert sum(timings.values()) - timings["total"] <= timings["total"]


def test_a_multipart_file_is_identified(client: httpx.Client, clip: bytes) -> None:
    """The part `file` of a form is read, beside other fields."""
    answer = client.post("/v1/identify", files={"file": ("a b.wav", clip)}, data={"note": "x"})
    assert answer.json()["matches"][0]["track_id"] == 2


def test_of_a_long_upload_the_loudest_stretch_is_matched(world: World, client: httpx.Client) -> None:
    """A clip longer than the bound is cut to where it is loud, and offset_s still speaks of its first sample."""
    silence = np.zeros(50 * 8000, np.float32)
    upload = wav(np.concatenate([silence, world.clip(3, 5.0, 34.0)]))
    answer = client.post("/v1/identify", content=upload).json()
    assert answer["query"] == {"duration_s": 84.0, "used": {"start_s": 54.0, "end_s": 84.0}}
    assert answer["matches"][0]["track_id"] == 3
    assert answer["matches"][0]["offset_s"] == pytest.approx(5.0 - 50.0, abs=0.1)


def test_limit_bounds_the_matches(world: World, clip: bytes) -> None:
    """No more matches than asked for come back, and a limit that makes no sense is a problem."""
    with serving(world.api()) as client:
        assert len(client.post("/v1/identify?limit=1", content=clip).json()["matches"]) == 1
        detail = problem(client.post("/v1/identify?limit=0", content=clip), 422, "invalid_parameter")
        assert "limit" in detail


def test_a_caller_may_ask_for_another_threshold(world: World, clip: bytes) -> None:
    """What no confidence reaches leaves no match, 0 lets more in than the default does, and 1.5 is a problem."""
    with serving(world.api()) as client:
        usual = client.post("/v1/identify", content=clip).json()["matches"]
        everything = client.post("/v1/identify?min_confidence=0", content=clip).json()["matches"]
        assert client.post("/v1/identify?min_confidence=1", content=clip).json()["matches"] == []
        assert usual == everything[: len(usual)] and len(usual) < len(everything)
        problem(client.post("/v1/identify?min_confidence=1.5", content=clip), 422, "invalid_parameter")


def test_an_empty_catalogue_matches_nothing(clip: bytes) -> None:
    """Without a generation the service is ready, describes itself, and answers an audible clip with no match."""
    with serving(World().api()) as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/identify", content=clip).json()["matches"] == []
        info = client.get("/v1/info").json()
    assert (info["generation"], info["tracks"]) == (None, 0)


def test_new_tracks_answer_without_a_restart(world: World) -> None:
    """A track written into the served collection and published is found after the next look."""
    growing = World.with_songs()
    fresh = melody(77, 30.0)
    with serving(growing.api()) as client:
        upload = wav(fresh[8 * 8000 : 16 * 8000])
        assert matches(client, upload) == []
        growing.add(77, fresh)
        wait_for(lambda: [one["track_id"] for one in matches(client, upload)] == [77])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"this is no audio at all" * 100, "unreadable"),
        (b"\x00", "unreadable"),
        (wav(melody(1, 0.4)), "too_short"),
        (wav_without_samples(), "unreadable"),
        (wav(np.zeros(24_000, np.float32)), "silent"),
        (wav(melody(1, 3.0), rate=8), "too_long"),
    ],
)
def test_audio_that_cannot_be_used_is_a_422(client: httpx.Client, body: bytes, code: str) -> None:
    """Every kind of unusable audio has its own stable code."""
    problem(client.post("/v1/identify", content=body), 422, code)


def test_half_a_second_is_enough_to_be_answered(world: World, client: httpx.Client) -> None:
    """The shortest clip that is accepted gets an answer, whatever it is."""
    response = client.post("/v1/identify", content=wav(world.clip(1, 3.0, 0.5)))
    assert Identification.model_validate(response.json()).query.duration_s == 0.5


def test_bodies_that_hold_no_clip_are_a_400(client: httpx.Client, clip: bytes) -> None:
    """Nothing, an empty file, a form without `file`, a field instead of a file, a broken form: each is told apart."""
    form = {"content-type": "multipart/form-data; boundary=b"}
    problem(client.post("/v1/identify"), 400, "empty_body")
    problem(client.post("/v1/identify", files={"file": ("a.wav", b"")}), 400, "empty_body")
    other = problem(client.post("/v1/identify", files={"clip": ("a.wav", clip)}), 400, "malformed_upload")
    assert "clip" in other
    field = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'
    assert "filename" in problem(client.post("/v1/identify", content=field, headers=form), 400, "malformed_upload")
    problem(client.post("/v1/identify", content=b"no boundary", headers=form), 400, "malformed_upload")


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_bound_is_a_413(world: World, announced: bool) -> None:
    """A body that is too large is refused, whether it says so beforehand or not."""

    def pieces() -> Iterator[bytes]:
        for _ in range(24):
            yield bytes(1 << 17)

    body: Any = bytes(3 << 20) if announced else pieces()
    with serving(world.api("bounds.body_mib=2")) as client:
        assert "2 MiB" in problem(client.post("/v1/identify", content=body), 413, "body_too_large")


def test_tracks_are_looked_up_by_id(client: httpx.Client) -> None:
    """A known track is described, an unknown one is a 404, and what is no id is a 422."""
    assert client.get("/v1/tracks/3").json()["uri"] == "song 3.flac"
    problem(client.get("/v1/tracks/12345"), 404, "unknown_track")
    for wrong in ("x", "-1", str(2**63)):
        problem(client.get(f"/v1/tracks/{wrong}"), 422, "invalid_parameter")


def test_wrong_paths_and_methods_are_problems(client: httpx.Client) -> None:
    """404 and 405 speak the same language as every other error, and 405 says what is allowed."""
    problem(client.get("/v1/nothing"), 404, "not_found")
    problem(client.get("/web/nothing.js"), 404, "not_found")
    response = client.get("/v1/identify")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_lost_stores_are_a_503_that_may_be_repeated(clip: bytes) -> None:
    """Without Milvus a query is refused with the store's code, and the reason is readable; so is what asks MySQL."""
    world = World.with_songs()
    with serving(world.api()) as client:
        world.vectors.away = True
        response = client.post("/v1/identify", content=clip)
        problem(response, 503, "vector_store")
        assert int(response.headers["retry-after"]) >= 1
        world.vectors.away = False
        world.catalog.failure = MetadataError("MySQL at db:3306 does not answer")
        assert "db:3306" in problem(client.get("/v1/tracks/1"), 503, "metadata_store")


def test_a_service_that_knows_no_generation_is_not_ready(clip: bytes) -> None:
    """As long as the pointer was never seen, queries and readiness are 503, and the process is alive."""
    world = World.with_songs()
    world.catalog.failure = MetadataError("MySQL does not answer")
    with serving(world.api("poll_s=30")) as client:
        problem(client.post("/v1/identify", content=clip), 503, "metadata_store")
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["metadata"]) == (503, "MySQL does not answer")
        assert client.get("/healthz").json()["status"] == "ok"


def test_a_query_past_its_deadline_is_a_503(world: World, clip: bytes) -> None:
    """A query that takes longer than allowed is given up and may be repeated."""
    with serving(world.api("bounds.deadline_s=0.001")) as client:
        problem(client.post("/v1/identify", content=clip), 503, "deadline_exceeded")


def test_an_unexpected_error_is_a_500_without_details(clip: bytes) -> None:
    """A bug is answered as a problem that tells nothing about the inside."""
    world = World.with_songs()
    app = world.api("poll_s=30")
    with serving(app) as client:
        world.catalog.failure = RuntimeError("secret")
        assert "secret" not in problem(client.post("/v1/identify", content=clip), 500, "internal")


def test_request_ids_are_kept_or_made(client: httpx.Client) -> None:
    """The caller's id comes back; without one, every response has a different one."""
    assert client.get("/healthz", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert len(client.get("/healthz", headers={"x-request-id": "x" * 999}).headers["x-request-id"]) == 128


class CountingMeter(NoMeter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, str]] = []
        self.keys: list[str] = []

    def request(self, route: str, status: int, code: str, elapsed_ms: float, key: str) -> None:
        self.seen.append((route, status, code))
        self.keys.append(key)

    def page(self) -> str:
        return "refrain_up 1\n"


def test_requests_are_counted_by_route_and_outcome(world: World) -> None:
    """Figures carry the pattern of the route and the code of the problem, never what the caller wrote."""
    meter = CountingMeter()
    with serving(world.api(meter=meter)) as client:
        client.get("/v1/tracks/2")
        client.get("/v1/tracks/999")
        client.get("/no/such/path")
        assert client.get("/metrics").text == "refrain_up 1\n"
    track = "/v1/tracks/{track_id}"
    assert meter.seen[:3] == [(track, 200, "ok"), (track, 404, "unknown_track"), ("none", 404, "not_found")]


def test_pages_ask_nobody_else(client: httpx.Client) -> None:
    """The page, the documentation and what they load come from the service alone, and of one version."""
    for path in ("/", "/docs", *(f"/web/{file.name}" for file in WEB.iterdir())):
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-cache"
        addresses = [word for word in ("http://", "https://", "//cdn") if word in response.text]
        assert not addresses or path == "/web/dom.js", path  # the name of SVG, which nobody asks for
    for path in ("/", "/docs"):
        assert "default-src 'self'" in client.get(path).headers["content-security-policy"]
        assert "unsafe" not in client.get(path).headers["content-security-policy"]


def test_the_api_describes_itself_completely(client: httpx.Client) -> None:
    """Every route of the API is documented with its answers, problems and examples."""
    spec = client.get("/openapi.json").json()
    assert set(spec["paths"]) >= {"/v1/identify", "/v1/tracks/{track_id}", "/v1/info", "/healthz", "/readyz"}
    identify = spec["paths"]["/v1/identify"]["post"]
    kinds = {"multipart/form-data", "application/json", "application/octet-stream", "audio/*"}
    assert set(identify["requestBody"]["content"]) == kinds
    assert {"200", "400", "408", "413", "422", "429", "503"} <= set(identify["responses"])
    for example in spec["components"]["schemas"]["Identification"]["examples"]:
        Identification.model_validate(example)
