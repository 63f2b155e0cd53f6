"""What a caller may say beside the clip itself: base64, another stretch, the name of the catalogue."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.live import serving
from tests.service.sounds import melody, wav
from tests.service.test_api import problem
from tests.service.world import World


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world.api("bounds.clip_s=8", "bounds.body_mib=2")) as client:
        yield client


@pytest.fixture(scope="module")
def clip(world: World) -> bytes:
    return wav(world.clip(2, 17.3, 8.0))


@pytest.fixture(scope="module")
def medley(world: World) -> bytes:
    """Ten seconds of the first song, then ten of the third, louder."""
    return wav(np.concatenate([0.3 * world.clip(1, 4.0, 10.0), world.clip(3, 6.0, 10.0)]))


def test_base64_in_json_is_identified(client: httpx.Client, clip: bytes) -> None:
    """The same bytes as base64 give the same answer, whatever stands beside them."""
    body = {"audio": base64.b64encode(clip).decode(), "note": 1}
    assert client.post("/v1/identify", json=body).json()["matches"][0]["track_id"] == 2
    typed = {"content-type": "Application/JSON; charset=utf-8"}
    response = client.post("/v1/identify", content=json.dumps(body).encode(), headers=typed)
    assert response.json()["matches"][0]["track_id"] == 2


def test_a_type_is_a_hint(client: httpx.Client, clip: bytes) -> None:
    """Raw bytes of audio are audio under the type of JSON, too, and other bytes are what they are anywhere else."""
    typed = {"content-type": "application/json"}
    assert client.post("/v1/identify", content=clip, headers=typed).json()["matches"][0]["track_id"] == 2
    problem(client.post("/v1/identify", content=b"RIFF", headers=typed), 422, "unreadable")


@pytest.mark.parametrize(
    "body",
    [b"{", b" {}", b'{"audio": 1}', b'{"audio": "%%"}', b'{"audio": "\xff"}', b'{"audio":' + b"[" * 99999],
)
def test_json_without_audio_is_a_400(client: httpx.Client, body: bytes) -> None:
    """An object that cannot be read or holds no base64 is told apart from bad audio, and from nothing at all."""
    typed = {"content-type": "application/json"}
    assert "audio" in problem(client.post("/v1/identify", content=body, headers=typed), 400, "malformed_upload")
    problem(client.post("/v1/identify", content=b"", headers=typed), 400, "empty_body")
    problem(client.post("/v1/identify", json={"audio": ""}), 400, "empty_body")
    problem(client.post("/v1/identify", json={"audio": "AAAA"}), 422, "unreadable")
    problem(client.post("/v1/identify", json={"audio": "A" * (3 << 20)}), 413, "body_too_large")


def asked(client: httpx.Client, upload: bytes, query: str) -> Any:
    return client.post(f"/v1/identify{query}", content=upload).json()


def test_the_stretch_can_be_chosen(client: httpx.Client, medley: bytes) -> None:
    """Without a wish the loudest stretch is matched, with `start_s` what begins there; the answer says which."""
    loudest = asked(client, medley, "")
    assert loudest["matches"][0]["track_id"] == 3
    assert loudest["query"]["duration_s"] == 20.0 and loudest["query"]["used"]["start_s"] >= 10.0
    chosen = asked(client, medley, "?start_s=1.5")
    assert chosen["query"]["used"] == {"start_s": 1.5, "end_s": 9.5}
    assert chosen["matches"][0]["track_id"] == 1
    assert chosen["matches"][0]["offset_s"] == pytest.approx(4.0, abs=0.1)
    assert asked(client, medley, "?start_s=17")["query"]["used"] == {"start_s": 17.0, "end_s": 20.0}


def test_what_is_whole_is_not_called_a_part(client: httpx.Client, clip: bytes) -> None:
    """Where everything sent was matched, the query holds its length alone."""
    assert asked(client, clip, "")["query"] == {"duration_s": 8.0}
    assert asked(client, clip, "?start_s=0")["query"] == {"duration_s": 8.0}


@pytest.mark.parametrize("start_s", ["7.6", "8", "900"])
def test_a_start_beyond_the_end_is_too_short(client: httpx.Client, clip: bytes, start_s: str) -> None:
    """Where less than half a second is left, the clip is too short, and the message says from where on."""
    detail = problem(client.post(f"/v1/identify?start_s={start_s}", content=clip), 422, "too_short")
    assert start_s in detail


def test_wrong_starts_are_problems(client: httpx.Client, clip: bytes) -> None:
    """A start that is no time is refused before anything is decoded."""
    for wrong in ("-1", "nan", "inf", "x"):
        problem(client.post(f"/v1/identify?start_s={wrong}", content=clip), 422, "invalid_parameter")


def test_another_catalogue_is_not_here(client: httpx.Client, clip: bytes) -> None:
    """The served catalogue may be named; any other is a 404 that says which one is served."""
    assert asked(client, clip, "?catalog=default")["matches"][0]["track_id"] == 2
    for name in ("jazz", ""):
        response = client.post("/v1/identify", params={"catalog": name}, content=wav(melody(1, 1.0)))
        assert "'default'" in problem(response, 404, "unknown_catalog")


def test_evidence_is_told_on_request(client: httpx.Client, medley: bytes) -> None:
    """Asked for it, every match tells which moments of upload and track met; unasked, there is no such field."""
    chosen = asked(client, medley, "?start_s=1.5&evidence=true")["matches"][0]
    assert 10 <= len(chosen["evidence"]) <= 20
    for pair in chosen["evidence"]:
        assert 1.5 <= pair["clip_s"] <= 9.5
        assert pair["track_s"] == pytest.approx(chosen["offset_s"] + chosen["speed"] * pair["clip_s"], abs=0.01)
    similarities = [pair["similarity"] for pair in chosen["evidence"]]
    assert np.mean(similarities) == pytest.approx(chosen["score"], abs=0.001)
    assert "evidence" not in asked(client, medley, "?start_s=1.5")["matches"][0]
    problem(client.post("/v1/identify?evidence=some", content=medley), 422, "invalid_parameter")
