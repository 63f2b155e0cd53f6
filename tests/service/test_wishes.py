"""What may be said on every route that asks: the catalogue, how sure and how many; and what each may answer."""

import asyncio
import json

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ingest.errors import InfrastructureError, RefrainError
from ingest.fingerprint import BadInput
from ingest.stores import MetadataError
from serve import problems
from serve.client import AsyncClient, Client, ClientError
from serve.problems import ServiceError
from tests.service.live import serving
from tests.service.test_api import problem
from tests.service.test_listen import pcm
from tests.service.world import World
from tests.waiting import wait_for

ASKING = ("/v1/identify", "/v1/embed", "/v1/search", "/v1/timeline")
NEVER_HERE = {"missing", "unusable_name", "timeout", "lake", "infrastructure", "verification", "bad_input"}  # of a job


@pytest.mark.parametrize("path", ASKING)
def test_a_catalogue_may_be_named(client: httpx.Client, clip: bytes, path: str) -> None:
    """On every route the served one is answered and another one is a 404."""
    body = client.post("/v1/embed", content=clip).content if path == "/v1/search" else clip
    assert client.post(f"{path}?catalog=default", content=body).status_code == 200
    problem(client.post(f"{path}?catalog=jazz", content=body), 404, "unknown_catalog")


def test_the_clients_name_it_as_well(client: httpx.Client, clip: bytes) -> None:
    """Both clients pass the catalogue on with all four questions, and raise what the service says."""
    url = str(client.base_url)

    async def ask_all(catalog: str) -> list[object]:
        async with AsyncClient(url) as patient:
            kept = await patient.embed(clip, catalog="default")
            segments = [segment async for segment in patient.timeline(clip, catalog=catalog)]
            return [await patient.search(kept, catalog=catalog), segments]

    with Client(url) as refrain:
        kept = refrain.embed(clip, catalog="default")
        for question in (
            lambda: refrain.identify(clip, catalog="jazz"),
            lambda: refrain.embed(clip, catalog="jazz"),
            lambda: refrain.search(kept, catalog="jazz"),
            lambda: list(refrain.timeline(clip, catalog="jazz")),
            lambda: asyncio.run(ask_all("jazz")),
        ):
            with pytest.raises(ClientError) as caught:
                question()
            assert (caught.value.code, caught.value.status) == ("unknown_catalog", 404)
    assert len(asyncio.run(ask_all("default"))) == 2


def heard(client: httpx.Client, samples: bytes, query: str) -> list[int]:
    """Tracks of the first answer that a live caller gets to all of this at once."""
    url = client.base_url.copy_with(scheme="ws", path="/v1/listen", query=query.encode())
    with connect(str(url), proxy=None) as socket:
        socket.send(samples)
        return [match["track_id"] for match in json.loads(socket.recv(timeout=30))["matches"]]


def test_live_callers_may_wish_the_same(world: World, client: httpx.Client) -> None:
    """How many matches and from which confidence on are kept to, and another catalogue is a 404 before it begins."""
    samples = pcm(world.clip(2, 17.3, 8.0))
    assert heard(client, samples, "catalog=default") == [2]
    assert heard(client, samples, "min_confidence=1") == []
    everything = heard(client, samples, "min_confidence=0")
    assert everything[0] == 2 and len(everything) > 1
    assert heard(client, samples, "min_confidence=0&limit=1") == [2]
    with pytest.raises(InvalidStatus) as refused:
        heard(client, samples, "catalog=jazz")
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["code"] == "unknown_catalog"


def test_a_search_says_as_well_that_names_are_missing(clip: bytes) -> None:
    """While the metadata store is away /v1/search is flagged, in body and header, as /v1/identify is."""
    world = World.with_songs()
    with serving(world.api("lookups.cache_s=0.01")) as client:
        kept = client.post("/v1/embed", content=clip).content
        assert "degraded" not in client.post("/v1/search", content=kept).json()
        world.catalog.failure = MetadataError("MySQL does not answer")
        wait_for(lambda: client.get("/readyz").json()["status"] == "degraded")
        response = client.post("/v1/search", content=kept)
        assert response.json()["degraded"] is True and response.json()["matches"][0]["uri"] is None
        assert response.headers["refrain-degraded"] == "metadata_store"


def codes(kind: type[RefrainError]) -> set[str]:
    """Of a class of errors and all below it."""
    return {kind.code}.union(*(codes(below) for below in kind.__subclasses__()))


def test_every_code_is_documented(client: httpx.Client) -> None:
    """Whatever a route may refuse with stands in the API's description or in the list of problems."""
    described = client.get("/openapi.json").text
    listed = str(problems.__doc__)
    ours = codes(ServiceError) | codes(BadInput) | codes(InfrastructureError)
    for code in ours - NEVER_HERE - {"internal"}:
        assert f"`{code}`" in described or f" {code} " in listed, code
    assert not {code for code in codes(BadInput) - NEVER_HERE if f"`{code}`" not in described}
