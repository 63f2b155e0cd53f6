"""POST /v1/embed and /v1/search as callers see them, and the clients' way to them."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest

from ingest.fingerprint import EMBEDDING_HOP_S
from serve.client import AsyncClient, Client, ClientError
from serve.schema import Health, Identification, Info
from serve.vector_schema import Embedded, VectorQuery
from serve.vectors import most_vectors
from tests.service.live import serving
from tests.service.sounds import melody, wav
from tests.service.test_api import problem
from tests.service.world import World, noisy


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world.api("matching.retunings_semitones=[]")) as client:  # vectors cannot be read a second time
        yield client


@pytest.fixture(scope="module")
def clip(world: World) -> bytes:
    return wav(noisy(world.clip(2, 17.3, 8.0)))


@pytest.fixture(scope="module")
def embedded(client: httpx.Client, clip: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/v1/embed", content=clip).json()
    return answer


def search(client: httpx.Client, body: object, **params: Any) -> httpx.Response:
    return client.post("/v1/search", json=body, params=params)


def test_embeddings_are_described_and_whole(world: World, embedded: dict[str, Any]) -> None:
    """Encoder, hop, start, mask and base64 vectors are those of the encoder that made the catalogue."""
    assert set(embedded) == set(Embedded.model_fields)
    assert embedded["encoder"] == "spectral" and embedded["hop_s"] == EMBEDDING_HOP_S
    assert (embedded["start_s"], embedded["query"]) == (0.0, {"duration_s": 8.0})
    vectors = np.frombuffer(base64.b64decode(embedded["vectors"]), "<f4").reshape(-1, embedded["dimension"])
    assert len(vectors) == len(embedded["audible"]) == int(8.0 / EMBEDDING_HOP_S)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_both_encodings_hold_the_same_vectors(client: httpx.Client, clip: bytes, embedded: dict[str, Any]) -> None:
    """Lists of numbers are the base64 vectors, and an encoding that is none is a problem."""
    listed = client.post("/v1/embed?encoding=list", content=clip).json()
    vectors = np.frombuffer(base64.b64decode(embedded["vectors"]), "<f4").reshape(-1, embedded["dimension"])
    assert np.allclose(listed["vectors"], vectors, atol=1e-6)
    assert search(client, listed).json()["matches"] == search(client, embedded).json()["matches"]
    problem(client.post("/v1/embed?encoding=xml", content=clip), 422, "invalid_parameter")


def test_a_search_answers_what_identify_answers(client: httpx.Client, clip: bytes, embedded: dict[str, Any]) -> None:
    """Match by match and field by field, and with the same wishes."""
    for wishes in ({}, {"limit": 1}, {"min_confidence": 0}):
        asked = client.post("/v1/identify", content=clip, params=wishes).json()
        found = search(client, embedded, **wishes).json()
        Identification.model_validate(found)
        assert found["matches"] == asked["matches"]
        assert found["matches"][0]["track_id"] == 2
    assert found["query"]["duration_s"] == pytest.approx(8.0, abs=EMBEDDING_HOP_S)


def test_offsets_speak_of_the_first_sample_sent(world: World, client: httpx.Client) -> None:
    """Of a long upload a stretch is embedded, and the search still tells where the upload begins in the track."""
    upload = wav(np.concatenate([np.zeros(50 * 8000, np.float32), world.clip(3, 5.0, 34.0)]))
    kept = client.post("/v1/embed", content=upload).json()
    assert kept["start_s"] == 54.0 and len(kept["audible"]) <= most_vectors(World().service().bounds)
    assert search(client, kept).json()["matches"][0]["offset_s"] == pytest.approx(5.0 - 50.0, abs=0.1)


def test_what_is_optional_may_be_left_out(client: httpx.Client, embedded: dict[str, Any]) -> None:
    """Encoder and vectors are enough to find the track."""
    bare = {name: embedded[name] for name in ("encoder", "vectors")}
    assert search(client, bare).json()["matches"][0]["track_id"] == 2


def test_vectors_of_another_encoder_are_refused(client: httpx.Client, embedded: dict[str, Any]) -> None:
    """With a code of their own, and the encoder that is wanted."""
    response = search(client, embedded | {"encoder": "another"})
    assert "spectral" in problem(response, 409, "other_encoder")


@pytest.mark.parametrize(
    "values",
    [
        {"vectors": "!!!"},
        {"vectors": base64.b64encode(b"12345").decode()},
        {"vectors": ""},
        {"vectors": []},
        {"vectors": [[1.0, 0.0]]},
        {"vectors": [[1.0] * 60]},
        {"vectors": [[0.0] * 60]},
        {"vectors": [[1e39] + [0.0] * 59]},
        {"vectors": [["a"] * 60]},
        {"vectors": [[1.0] + [0.0] * 59] * 1000, "audible": None, "salience": None},
        {"vectors": base64.b64encode(np.full(60, np.nan, "<f4").tobytes()).decode(), "audible": [True]},
        {"audible": [True]},
        {"start_s": -1},
        {"start_s": "Infinity"},
        {"salience": {"levels": "AAAA", "bands": 3, "semitone_bands": 1}},
        {"salience": {"levels": "AAAA", "bands": 0, "semitone_bands": 1}},
        {"salience": {"levels": "AAAA", "bands": 129, "semitone_bands": 1}},
        {"salience": {"levels": "*", "bands": 1, "semitone_bands": 1}},
        {"salience": {"levels": "", "bands": 1, "semitone_bands": 1e9}},
        {"encoder": None},
    ],
)
def test_what_are_no_vectors_is_a_422(client: httpx.Client, embedded: dict[str, Any], values: dict[str, Any]) -> None:
    """Wrong encodings, counts, dimensions, lengths and shapes are told, and never more than that."""
    problem(search(client, embedded | values), 422, "bad_vectors")


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"encoder": 1e999}'])
def test_bodies_that_are_no_query_are_a_422(client: httpx.Client, body: bytes) -> None:
    """Whatever is no JSON object of that form."""
    problem(client.post("/v1/search", content=body), 422, "bad_vectors")


def test_salience_narrower_than_the_catalogues_is_harmless(client: httpx.Client, embedded: dict[str, Any]) -> None:
    """A second opinion of one band is a poor one, and no error."""
    count = len(embedded["audible"])
    levels = base64.b64encode(bytes(count + 2)).decode()
    told = {"levels": levels, "bands": 1, "semitone_bands": 12.0}
    assert search(client, embedded | {"salience": told}).status_code == 200


def test_silence_and_nothing(client: httpx.Client, embedded: dict[str, Any], clip: bytes) -> None:
    """Vectors that all are silent are `silent`, an empty body is `empty_body`, another catalogue is a 404."""
    silent = embedded | {"audible": [False] * len(embedded["audible"])}
    problem(search(client, silent), 422, "silent")
    problem(client.post("/v1/search"), 400, "empty_body")
    problem(client.post("/v1/embed"), 400, "empty_body")
    problem(search(client, embedded, catalog="other"), 404, "unknown_catalog")
    problem(client.post("/v1/embed", content=b"no audio"), 422, "unreadable")


def test_an_empty_catalogue_embeds_and_finds_nothing(clip: bytes) -> None:
    """Without a generation the first encoder embeds, and a search matches nothing."""
    with serving(World().api()) as client:
        kept = client.post("/v1/embed", content=clip).json()
        assert kept["encoder"] == "spectral"
        assert search(client, kept).json()["matches"] == []


def test_the_clients_embed_and_search(world: World, clip: bytes) -> None:
    """Both clients, from bytes, with wishes, and with the service's code where it refuses."""

    async def ask(url: str) -> None:
        async with AsyncClient(url) as asked:
            kept = await asked.embed(clip, encoding="list")
            assert (await asked.search(kept, limit=1))["matches"][0]["track_id"] == 2

    with serving(world.api()) as http, Client(str(http.base_url)) as asked:
        kept = asked.embed(clip, start_s=1.0)
        assert kept["start_s"] == 1.0
        assert asked.search(kept)["matches"][0]["offset_s"] == pytest.approx(17.3, abs=0.1)
        assert asked.search(json.loads(json.dumps(kept)), min_confidence=1.0)["matches"] == []
        with pytest.raises(ClientError) as refused:
            asked.search({"encoder": "x", "vectors": []})
        assert (refused.value.code, refused.value.status) == ("other_encoder", 409)
        asyncio.run(ask(str(http.base_url)))


def test_the_description_has_an_example_for_everything(client: httpx.Client) -> None:
    """Every JSON body and answer of a query or of the catalogue has an example, and the examples are what they show."""
    spec = client.get("/openapi.json").json()
    for model in (Embedded, Info, Health):
        for example in spec["components"]["schemas"][model.__name__]["examples"]:
            model.model_validate(example)
    body = spec["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]
    VectorQuery.model_validate(body["example"])
    jsonschema.Draft202012Validator(body["schema"] | {"components": spec["components"]}).validate(body["example"])
    answers = [
        name
        for path, methods in spec["paths"].items()
        for method, route in methods.items()
        for answer in [route["responses"].get("200", {}).get("content", {}).get("application/json", {})]
        if (name := answer.get("schema", {}).get("$ref", "").rpartition("/")[2])
    ]
    assert {"Identification", "Embedded", "TimelineAnswer", "TrackPage", "Duplicates", "Info", "Health"} <= set(answers)
    assert not [name for name in answers if not spec["components"]["schemas"][name].get("examples")]


def test_a_melody_that_is_unknown_is_not_found(client: httpx.Client) -> None:
    """No match is an answer here as well."""
    kept = client.post("/v1/embed", content=wav(melody(99, 8.0))).json()
    assert search(client, kept).json()["matches"] == []
