"""The development overlay's Milvus, started as its manifest starts it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.stores import VectorsConfig, open_vectors
from tests.repository.kubernetes import of_kind
from tests.stores.rows import random_peaks

pytestmark = pytest.mark.integration
PATIENCE_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def milvus_uri(tmp_path: Path) -> Iterator[str]:
    """The command of the Deployment `milvus`, with a port and a folder of the test's own."""
    (deployment,) = [m for m in of_kind("k8s/overlays/dev", "Deployment") if m["metadata"]["name"] == "milvus"]
    program, *arguments = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
    port = free_port()
    ours = {"19530": str(port), "0.0.0.0": "127.0.0.1", "/var/lib/refrain/milvus": str(tmp_path / "milvus")}
    command = [str(Path(sys.executable).with_name(program)), *(ours.get(word, word) for word in arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        patience = time.monotonic() + PATIENCE_S
        while not answers(port) and process.poll() is None and time.monotonic() < patience:
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_milvus_lite_serves_as_a_server(milvus_uri: str, tmp_path: Path) -> None:
    """`vectors=milvus` writes, counts, searches and deletes on the Milvus that the overlay starts."""
    config = VectorsConfig(kind="milvus", uri=milvus_uri, index="HNSW", search_params={"ef": 64}, mmap=True)
    vectors = np.eye(16, dtype=np.float32)
    keys = np.arange(16, dtype=np.int64) + (3 << 20)
    with open_vectors(config, tmp_path) as store:
        store.create("songs", 16)
        store.upsert("songs", keys, vectors, random_peaks(16))
        store.flush("songs")
        assert store.count("songs") == 16
        assert store.search("songs", vectors[:2], 1, strong=True).keys[:, 0].tolist() == keys[:2].tolist()
        store.delete_recordings("songs", [3])
        assert store.count("songs") == 0
