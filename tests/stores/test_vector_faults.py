"""What goes wrong with Milvus is said in one line and without secrets."""

import time
from pathlib import Path

import pytest

from ingest.stores import ConfigurationError, VectorsConfig, VectorStoreError, open_vectors
from ingest.stores.lite_server import LiteServer
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
