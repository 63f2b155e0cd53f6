"""`python -m serve` with keys: through Ray's proxy, on the stores of a home, deletion included."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from ingest.fingerprint import Embedder
from ingest.stores import MetadataConfig, VectorsConfig, open_metadata, open_vectors
from serve.client import Client, ClientError
from serve.config import KeyConfig
from serve.keys import append, hash_of, new_token
from tests.service.sounds import melody
from tests.service.test_server import COLLECTION, Filler, Server, eventually, found, grid_clip, started
from tests.waiting import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
READER, CURATOR = new_token(), new_token()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("s")
    append(KeyConfig("reader", hash_of(READER)), folder / "keys.yaml")
    server = started(folder, f"keys_file={folder / 'keys.yaml'}")
    yield server
    server.stop(signal.SIGTERM)


def test_keys_hold_behind_the_proxy(server: Server) -> None:
    """Without the key nothing is answered but health, a large upload is refused readably, and with it all is told."""
    with httpx.Client(base_url=server.url) as http:
        assert http.get("/readyz").status_code == 200
        for response in (http.get("/v1/info"), http.post("/v1/identify", content=bytes(16 << 20))):
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert http.delete("/v1/tracks/1", headers={"x-api-key": READER}).json()["code"] == "forbidden"
        assert http.get("/v1/info", headers={"x-api-key": READER}).json()["tracks"] == 0


def test_a_browsers_key_opens_the_socket_behind_the_proxy(server: Server) -> None:
    """A key among the subprotocols gets through Ray's proxy, `refrain` alone comes back; without it nothing opens."""
    url = f"{server.url.replace('http:', 'ws:')}/v1/listen"
    offered = [Subprotocol("refrain"), Subprotocol(f"refrain.key.{READER}")]
    with connect(url, proxy=None, subprotocols=offered) as socket:
        assert socket.subprotocol == "refrain"
        socket.send(bytes(16_000))
        assert json.loads(socket.recv(timeout=60))["matches"] == []
    with pytest.raises(InvalidHandshake):
        connect(url, proxy=None, subprotocols=[Subprotocol("refrain")])


def test_a_new_key_deletes_a_track(server: Server) -> None:
    """A key added to the file opens within seconds; what it deletes answers no more and leaves no vector behind."""
    first, second = melody(21, 20.0), melody(22, 20.0)
    with (
        open_metadata(MetadataConfig(), server.home) as metadata,
        open_vectors(VectorsConfig(), server.home) as vectors,
        Client(server.url, api_key=CURATOR) as curator,
    ):
        catalog = metadata.catalog("default")
        Filler(catalog, vectors, Embedder.load(server.weights)).add({"first": first, "second": second})
        with pytest.raises(ClientError, match="not known"):
            curator.info()
        append(
            KeyConfig("curator", hash_of(CURATOR), ["read", "write", "admin"]),
            Path(server.weights.parent / "keys.yaml"),
        )
        wait_for(lambda: opens(curator))
        clip = grid_clip(first, first=8, cells=64)
        eventually(curator, clip, "first")
        (track,) = curator.tracks("first")["tracks"]
        before = vectors.count(COLLECTION)
        with (
            catalog.lock(),
            Client(server.url, api_key=CURATOR, retries=0) as hasty,
            pytest.raises(ClientError) as caught,
        ):
            hasty.delete_track(track["track_id"])
        assert (caught.value.code, caught.value.status) == ("busy", 409)
        curator.delete_track(track["track_id"])
        assert "first" not in found(curator, clip)
        assert vectors.count(COLLECTION) < before and vectors.count(COLLECTION) == catalog.loaded_segments(1)
        assert [other["uri"] for other in curator.tracks()["tracks"]] == ["second"]
        curator.delete_track(track["track_id"])
    log = (server.weights.parent / "log").read_text()
    assert CURATOR not in log and READER not in log


def test_figures_name_keys(server: Server) -> None:
    """Requests are counted by the name of the key, with or without one, and no token is among the figures."""
    keys = {'key="reader"', 'key="curator"', 'key=""'}
    with httpx.Client(base_url=server.url, headers={"x-api-key": CURATOR}) as http:
        wait_for(lambda: keys <= set(re.findall(r'\bkey="\w*"', figures(http))), every_s=1.0)
        page = figures(http)
    assert CURATOR not in page and READER not in page


def figures(http: httpx.Client) -> str:
    return http.get("/metrics").raise_for_status().text


def opens(client: Client) -> bool:
    try:
        client.info()
    except ClientError as error:
        assert error.code == "unauthorized"
        return False
    return True
