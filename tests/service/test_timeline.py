"""POST /v1/timeline as callers see it, and the client's way to it."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ingest.fingerprint import EMBEDDING_HOP
from ingest.fingerprint.architecture import read_architecture
from ingest.fingerprint.pcm import to_int16
from ingest.stores import MetadataError
from serve.access import KeyRing
from serve.client import AsyncClient, Client, ClientError, main
from serve.config import KeyConfig
from serve.encoders import EmbedJob, EncoderSet
from serve.fakes import SpectralEmbedder
from serve.keys import hash_of, new_token
from serve.recording import SURROUNDING_CELLS, windows_of, without_surroundings
from serve.schema import TimelineAnswer, TimelineProgress
from tests.service.live import serving
from tests.service.sounds import melody, wav, wav_without_samples
from tests.service.test_api import problem
from tests.service.world import World

SEGMENT_FIELDS = {
    *("track_id", "uri", "title", "artist", "album", "isrc", "start_s", "end_s", "track_start_s", "track_end_s"),
    *("confidence", "score", "speed", "pitch_semitones", "same_recording", "alternatives"),
}
STREAMED = {"accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def mix(world: World) -> bytes:
    """Song 1, something unknown, song 2 from its fifth second on."""
    return wav(np.concatenate([world.clip(1, 0.0, 30.0), melody(50, 20.0), world.clip(2, 5.0, 30.0)]))


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_mix_becomes_its_segments(client: httpx.Client, mix: bytes) -> None:
    """Both songs are told with exactly the promised fields, in order, and the unknown piece is not."""
    answer = client.post("/v1/timeline", content=mix).json()
    assert set(answer) == {"query", "segments", "timings_ms"}
    assert answer["query"] == {"duration_s": 80.0}
    first, second = answer["segments"]
    assert set(first) == SEGMENT_FIELDS
    assert (first["track_id"], second["track_id"]) == (1, 2)
    assert first["uri"] == "song 1.flac"
    times = [first["start_s"], first["end_s"], second["start_s"], second["end_s"]]
    assert times == pytest.approx([0.0, 30.0, 50.0, 80.0], abs=1.0)
    assert second["track_start_s"] == pytest.approx(5.0 + second["start_s"] - 50.0, abs=0.3)
    assert second["end_s"] <= 80.0
    assert set(answer["timings_ms"]) == {"decode", "embed", "search", "match", "lookup", "total"}


def test_a_form_is_read_as_well(client: httpx.Client, mix: bytes) -> None:
    """The part `file` of a form, beside other fields, gives the same segments as the bytes alone."""
    form = client.post("/v1/timeline", files={"file": ("a b.wav", mix)}, data={"note": "x"}).json()
    assert form["segments"] == client.post("/v1/timeline", content=mix).json()["segments"]


def test_segments_are_streamed_as_lines(client: httpx.Client, mix: bytes) -> None:
    """The same segments, one a line, and a last line with query and timings."""
    *segments, last = lines(client.post("/v1/timeline", content=mix, headers=STREAMED))
    assert segments == client.post("/v1/timeline", content=mix).json()["segments"]
    assert set(last) == {"query", "timings_ms"}
    assert last["query"] == {"duration_s": 80.0}


def test_how_far_it_is_is_told_to_who_asks(world: World, mix: bytes) -> None:
    """After every window a line says how much was heard, up to all of it; the other lines are as without."""
    with serving(world.api("bounds.timeline_window_s=10")) as client:
        found = lines(client.post("/v1/timeline?progress=true", content=mix, headers=STREAMED))
        plain = lines(client.post("/v1/timeline", content=mix, headers=STREAMED))
        assert set(client.post("/v1/timeline?progress=true", content=mix).json()) == set(plain[-1]) | {"segments"}
    told = [TimelineProgress.model_validate(line) for line in found if "share" in line]
    assert [line for line in found if "share" not in line][:-1] == plain[:-1]
    assert len(told) >= 8 and (told[-1].heard_s, told[-1].share) == (80.0, 1.0)
    for one in told:
        assert 0 < one.share <= 1 and one.heard_s / one.share == pytest.approx(80.0, rel=0.1)


def test_a_segment_is_sent_before_the_recording_has_been_read(world: World) -> None:
    """With short windows the first line arrives while the rest is still worked on."""
    long = wav(np.concatenate([world.clip(1, 0.0, 20.0), melody(51, 200.0)]))
    with (
        serving(world.api("bounds.timeline_window_s=5")) as client,
        client.stream("POST", "/v1/timeline", content=long, headers=STREAMED) as response,
    ):
        arrived = [(json.loads(line), time.monotonic()) for line in response.iter_lines()]
    assert arrived[0][0]["track_id"] == 1
    assert arrived[1][1] - arrived[0][1] > 0.05


def test_a_caller_may_ask_for_surer_segments(client: httpx.Client, mix: bytes) -> None:
    """What no confidence reaches is not told, and a threshold that is none is a problem."""
    assert client.post("/v1/timeline?min_confidence=1", content=mix).json()["segments"] == []
    problem(client.post("/v1/timeline?min_confidence=2", content=mix), 422, "invalid_parameter")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"this is no audio at all" * 100, 422, "unreadable"),
        (wav(melody(1, 0.4)), 422, "too_short"),
        (wav_without_samples(), 422, "unreadable"),
        (wav(np.zeros(24_000, np.float32)), 422, "silent"),
    ],
)
def test_what_cannot_be_used_has_its_code(client: httpx.Client, body: bytes, status: int, code: str) -> None:
    """The same codes as of a clip."""
    problem(client.post("/v1/timeline", content=body), status, code)


def test_forms_without_a_file_are_a_400(client: httpx.Client, mix: bytes) -> None:
    """Another part, a field instead of a file, an empty file."""
    problem(client.post("/v1/timeline", files={"clip": ("a.wav", mix)}), 400, "malformed_upload")
    problem(client.post("/v1/timeline", files={"file": ("a.wav", b"")}), 400, "empty_body")


def test_what_goes_wrong_on_the_way_is_the_last_line(world: World, mix: bytes) -> None:
    """When segments are being sent already, the problem comes as a line; before that it has its status."""
    with serving(world.api("bounds.timeline_s=60", "bounds.timeline_window_s=5")) as client:
        *_, last = lines(client.post("/v1/timeline", content=mix, headers=STREAMED))
        assert (last["code"], last["status"]) == ("too_long", 422)
        problem(client.post("/v1/timeline", content=mix), 422, "too_long")
        problem(client.post("/v1/timeline", content=b"no audio", headers=STREAMED), 422, "unreadable")


def test_bounds_of_their_own(world: World, mix: bytes) -> None:
    """A body may be larger than that of a clip, up to its own bound, and a deadline ends the work."""
    with serving(world.api("bounds.body_mib=1", "bounds.timeline_body_mib=1")) as client:
        assert "1 MiB" in problem(client.post("/v1/timeline", content=mix), 413, "body_too_large")
    with serving(world.api("bounds.body_mib=1")) as client:
        assert client.post("/v1/timeline", content=mix).status_code == 200
    with serving(world.api("bounds.timeline_deadline_s=0.01")) as client:
        problem(client.post("/v1/timeline", content=mix), 503, "deadline_exceeded")


def test_an_empty_catalogue_and_lost_stores(mix: bytes) -> None:
    """Without a generation there is nothing to tell, without MySQL no name; without Milvus the caller may ask again."""
    with serving(World().api()) as client:
        assert client.post("/v1/timeline", content=mix).json()["segments"] == []
    world = World.with_songs()
    with serving(world.api()) as client:
        world.catalog.failure = MetadataError("MySQL does not answer")
        answer = client.post("/v1/timeline", content=mix).json()
        assert [(one["track_id"], one["uri"], one["title"]) for one in answer["segments"]] == [
            (1, None, None),
            (2, None, None),
        ]
        assert answer["degraded"] is True
        assert lines(client.post("/v1/timeline", content=mix, headers=STREAMED))[-1]["degraded"] is True
        world.catalog.failure = None
        world.vectors.away = True
        assert problem(client.post("/v1/timeline", content=mix), 503, "vector_store")


def slow(seconds: float, gate: threading.Event) -> Iterator[bytes]:
    """A body that arrives in two parts, the second once the gate opens."""
    body = wav(melody(9, seconds))
    yield body[: len(body) // 2]
    gate.wait(20)
    yield body[len(body) // 2 :]


def test_one_at_a_time_and_clips_meanwhile(world: World, mix: bytes) -> None:
    """While a recording has the only place, another is refused at once, and a clip is answered."""
    opened = threading.Event()
    with serving(world.api()) as client:
        upload = threading.Thread(target=lambda: client.post("/v1/timeline", content=slow(5.0, opened)), name="upload")
        upload.start()
        time.sleep(0.3)
        response = client.post("/v1/timeline", content=mix)
        problem(response, 429, "too_many_requests")
        assert int(response.headers["retry-after"]) >= 1
        clip = client.post("/v1/identify", content=wav(world.clip(2, 17.3, 8.0))).json()
        assert clip["matches"][0]["track_id"] == 2
        opened.set()
        upload.join()
        assert client.post("/v1/timeline", content=mix).status_code == 200, "the place is free again"


@pytest.mark.parametrize("headers", [{}, STREAMED])
def test_a_caller_who_leaves_ends_the_work(world: World, headers: dict[str, str]) -> None:
    """Soon after, the place is free again, long before the recording would have been read."""
    long = wav(np.tile(melody(52, 300.0), 12))
    with serving(world.api("bounds.timeline_window_s=5")) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/timeline", content=long, headers=headers, timeout=httpx.Timeout(10.0, read=0.5)).read()
        deadline = time.monotonic() + 5
        while (response := client.post("/v1/timeline", content=wav(melody(1, 2.0)))).status_code == 429:
            assert time.monotonic() < deadline, "the place is still taken"
            time.sleep(0.1)
        assert response.status_code == 200


def test_the_api_describes_the_route(client: httpx.Client) -> None:
    """With both forms of body, both forms of answer, its problems, and an example that is one."""
    spec = client.get("/openapi.json").json()
    route = spec["paths"]["/v1/timeline"]["post"]
    assert set(route["requestBody"]["content"]) == {"multipart/form-data", "application/octet-stream", "audio/*"}
    assert {"200", "400", "408", "413", "422", "429", "503"} <= set(route["responses"])
    assert {"application/json", "application/x-ndjson"} <= set(route["responses"]["200"]["content"])
    for example in spec["components"]["schemas"]["TimelineAnswer"]["examples"]:
        TimelineAnswer.model_validate(example)


def test_windows_embed_to_the_embeddings_of_the_whole() -> None:
    """Cut and embedded one by one, a recording gives the vectors, silences and salience that it gives in one piece."""
    embedder = SpectralEmbedder()
    song = np.concatenate([melody(5, 9.3), np.zeros(30_000, np.float32), melody(6, 5.0)])
    encoders = EncoderSet([embedder])
    pieces = np.array_split(song, 17)
    windows = [without_surroundings(encoders.embed([EmbedJob(one)])[0]) for one in windows_of(pieces, 4.0)]
    whole = embedder.embed(to_int16(song))
    assert len(windows) > 3
    assert np.array_equal(np.concatenate([one.audible for one in windows]), whole.audible)
    assert np.allclose(np.concatenate([one.vectors for one in windows]), whole.vectors, atol=1e-5)
    assert sum(len(one.salience.own()) for one in windows) == len(whole.salience.own())
    assert max(embedder.before, embedder.after) <= SURROUNDING_CELLS * EMBEDDING_HOP


def test_the_surroundings_are_more_than_the_encoder_hears() -> None:
    """The shipped encoder hears less on either side of a vector than a window carries."""
    assert max(read_architecture(None)[0].padding) <= SURROUNDING_CELLS * EMBEDDING_HOP


def test_the_client_iterates_segments(
    world: World, mix: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a library from bytes or a file, and as a command, one line a segment with the file in front."""
    path = tmp_path / "mix.wav"
    path.write_bytes(mix)
    with serving(world.api()) as http, Client(str(http.base_url)) as asked:
        assert [segment["track_id"] for segment in asked.timeline(mix)] == [1, 2]
        assert list(asked.timeline(path, min_confidence=1.0)) == []
        with pytest.raises(ClientError) as caught:
            list(asked.timeline(b"no audio"))
        assert (caught.value.code, caught.value.status) == ("unreadable", 422)
        assert main(["--timeline", str(http.base_url), str(path), str(tmp_path / "absent")]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["file"], line.get("track_id"), line.get("code")) for line in told] == [
        (str(path), 1, None),
        (str(path), 2, None),
        (str(tmp_path / "absent"), None, "missing"),
    ]


def test_the_async_client_streams_segments_as_well(world: World, mix: bytes) -> None:
    """With its key, the same segments come from the asynchronous client; without it, the refusal."""
    token = new_token()

    async def ask(url: str) -> None:
        async with AsyncClient(url, api_key=token) as asked:
            segments = [segment async for segment in asked.timeline(mix)]
            assert [segment["track_id"] for segment in segments] == [1, 2]
        async with AsyncClient(url) as stranger:
            with pytest.raises(ClientError, match="send a key"):
                _ = [segment async for segment in stranger.timeline(mix)]

    with serving(world.api(ring=KeyRing([KeyConfig("k", hash_of(token))]))) as http:
        asyncio.run(ask(str(http.base_url)))
