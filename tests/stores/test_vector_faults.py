"""What goes wrong with Milvus is said in one line and without secrets."""

import time
from pathlib import Path
from typing import Any

import pytest
from pymilvus.client.types import LoadState

from ingest.stores import ConfigurationError, Vectors, VectorsConfig, VectorStoreError, open_vectors
from ingest.stores import milvus as connection
from ingest.stores.lite_server import LiteServer
from ingest.stores.milvus import MilvusConnection
from scripts.services import free_ports
from tests.stores.lite import kill_server


def test_nobody_at_the_address(home: Path) -> None:
    """A server that does not answer is named with host and port, within the time limit, without the token."""
    (port,) = free_ports(1)
    config = VectorsConfig(kind="milvus", uri=f"http://ann:hidden@127.0.0.1:{port}", token="ann:s3cret", timeout_s=1.0)
    began = time.monotonic()
    with pytest.raises(VectorStoreError, match=rf"^Milvus at 127\.0\.0\.1:{port}: connect: ") as caught:
        open_vectors(config, home)
    assert time.monotonic() - began < 20
    assert "s3cret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.integration
def test_a_server_that_goes_away(home: Path) -> None:
    """When a server ends under an open store, the next request is a VectorStoreError within the time limit."""
    server = LiteServer(home)
    with open_vectors(VectorsConfig(kind="milvus", uri=server.uri, timeout_s=2.0), home) as opened:
        assert opened.list() == []
        kill_server(home)
        with pytest.raises(VectorStoreError, match=r"^Milvus at 127.0.0.1:\d+: list collections: "):
            opened.list()
    server.close()


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (VectorsConfig(kind="faiss"), "vectors.kind 'faiss' is none of milvus_lite, milvus"),
        (VectorsConfig(kind="milvus"), "vectors=milvus needs vectors.uri=http://host:port"),
        (VectorsConfig(index="PQ"), "vectors.index 'PQ' is none of FLAT, HNSW"),
    ],
)
def test_settings_that_make_no_sense(config: VectorsConfig, line: str, home: Path) -> None:
    """A wrong setting is a ConfigurationError that names the option."""
    with pytest.raises(ConfigurationError, match=line):
        open_vectors(config, home)
    assert not home.exists()


class Slow(MilvusConnection):
    """A server that is a tenth further at each look, with loading as with indexing; from `stuck` on it stands still."""

    def __init__(self, stuck: int = 101) -> None:
        self.name, self._loaded = "Milvus at slow:19530", {}
        self.done, self.stuck = 0, stuck

    def ask(self, method: str, *arguments: Any, loaded: str | None = None, **options: Any) -> Any:
        if method in ("get_load_state", "describe_index"):
            self.done = min(self.done + 10, self.stuck)
        if method == "get_load_state":
            ended = self.done >= 100
            return {"state": LoadState.Loaded} if ended else {"state": LoadState.Loading, "progress": self.done}
        assert method != "load_collection" or options["_async"]
        return {"pending_index_rows": max(0, 100 - self.done)}


@pytest.mark.parametrize(("ask", "missing"), [(Vectors.load, "loaded"), (Vectors.flush, "indexed")])
def test_a_server_is_waited_for_while_it_gets_on(ask: Any, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading and indexing may take any time; what stands still is given up, and the error says what that is."""
    monkeypatch.setattr(connection, "POLL_S", 0.05)
    monkeypatch.setattr(connection, "STILL_S", 0.2)
    config = VectorsConfig(kind="milvus", uri="http://slow:19530", timeout_s=0.1)
    server = Slow()
    ask(Vectors(config, server), "songs")
    assert server.done >= 100
    line = f"^Milvus at slow:19530: songs is not {missing}: nothing has changed for 0.2 s$"
    with pytest.raises(VectorStoreError, match=line):
        ask(Vectors(config, Slow(stuck=50)), "songs")
