"""The stores of the development overlay, run as their manifests say, where this machine has the programs."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import boto3
import milvus as milvus_package
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from ingest.stores import VectorsConfig, open_vectors
from scripts.services import MILVUS_PORTS, free_ports
from tests.repository.configured import SECRETS
from tests.repository.kubernetes import Manifest, named
from tests.stores.rows import random_peaks

pytestmark = pytest.mark.integration
PATIENCE_S = 120.0
PORT_VARIABLES = [
    name.replace("-", "").upper() + "_PORT" for name in MILVUS_PORTS if name not in ("proxy-internal", "etcd")
]


def container(name: str) -> Manifest:
    """The one container of a Deployment of the overlay."""
    (found,) = named("k8s/overlays/dev", "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(of: Manifest) -> dict[str, str]:
    """Its environment, Secrets looked up."""
    found = {}
    for variable in of["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = SECRETS[reference["name"]][reference["key"]] if reference else variable["value"]
    return found


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@pytest.fixture
def bucket_server() -> Iterator[str]:
    """An S3 server in the place of MinIO."""
    (port,) = free_ports(1)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def milvus_uri(tmp_path: Path, bucket_server: str) -> Iterator[str]:
    """The overlay's Milvus, its addresses and folders put where this machine has them, as soon as its probe says so."""
    program, *arguments = container("milvus")["args"]
    milvus_package._initialize_data_files(str(tmp_path))
    proxy, internal, health, *others = free_ports(len(PORT_VARIABLES) + 2)
    of_image = dict(zip(PORT_VARIABLES, map(str, [proxy, *others]), strict=True))  # which the image's milvus.yaml sets
    environment = variables(container("milvus")) | of_image | {
        "PROXY_INTERNALPORT": str(internal),
        "METRICS_PORT": str(health),
        "LD_LIBRARY_PATH": str(tmp_path / "bin"),
        "MINIO_ADDRESS": bucket_server,
        "ETCD_DATA_DIR": str(tmp_path / "etcd"),
        "LOCALSTORAGE_PATH": str(tmp_path / "data"),
        "ROCKSMQ_PATH": str(tmp_path / "messages"),
    }  # fmt: skip
    path = container("milvus")["readinessProbe"]["httpGet"]["path"]
    with (tmp_path / "milvus.log").open("wb") as log:
        process = subprocess.Popen(
            [tmp_path / "bin" / program, *arguments], env=environment, cwd=tmp_path, stdout=log, stderr=log
        )
        try:
            patience = time.monotonic() + PATIENCE_S
            while not answers(f"http://127.0.0.1:{health}{path}"):
                assert process.poll() is None and time.monotonic() < patience, (tmp_path / "milvus.log").read_text()[
                    -2000:
                ]
                time.sleep(0.5)
            yield f"http://127.0.0.1:{proxy}"
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def test_milvus_stores_in_the_bucket(milvus_uri: str, bucket_server: str, tmp_path: Path) -> None:
    """By its own command and variables Milvus makes the bucket, takes vectors, finds them and keeps them there."""
    config = VectorsConfig(kind="milvus", uri=milvus_uri, index="HNSW", search_params={"ef": 64}, mmap=True)
    vectors = np.eye(16, dtype=np.float32)
    keys = np.arange(16, dtype=np.int64) + (3 << 20)
    with open_vectors(config, tmp_path) as store:
        store.create("songs", 16)
        store.upsert("songs", keys, vectors, random_peaks(16))
        store.flush("songs")
        assert store.count("songs") == 16
        assert store.search("songs", vectors[:2], 1, strong=True).keys[:, 0].tolist() == keys[:2].tolist()
    secrets = SECRETS["refrain-credentials"]
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{bucket_server}",
        region_name="us-east-1",
        aws_access_key_id=secrets["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secrets["AWS_SECRET_ACCESS_KEY"],
    )
    assert client.list_objects_v2(Bucket=variables(container("milvus"))["MINIO_BUCKET_NAME"])["KeyCount"] > 0


def test_the_probe_of_mysql_asks_without_a_password(mariadb_url: str) -> None:
    """The health check succeeds on a server that would not let it in, and fails where there is none."""
    command = container("mysql")["readinessProbe"]["exec"]["command"]
    port = mariadb_url.rsplit(":", 1)[1].partition("/")[0]
    environment = {"PATH": os.environ["PATH"]}
    there, nowhere = (
        subprocess.run([*command[:-1], f"--port={p}", *command[-1:]], env=environment, capture_output=True, check=False)
        for p in (port, free_ports(1)[0])
    )
    assert (there.returncode, nowhere.returncode) == (0, 1), there.stderr
