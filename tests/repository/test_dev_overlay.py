"""The stores of the development overlay, run and probed as their manifests say, where this machine has the programs."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from ingest.stores import VectorsConfig, open_vectors
from scripts.services import free_ports, milvus
from tests.repository.configured import SECRETS
from tests.repository.kubernetes import Manifest, named
from tests.stores.rows import random_peaks

pytestmark = pytest.mark.integration


def container(name: str) -> Manifest:
    """The one container of a Deployment of the overlay."""
    (found,) = named("k8s/overlays/dev", "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(name: str) -> dict[str, str]:
    """Its environment, Secrets looked up."""
    found = {}
    for variable in container(name)["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = SECRETS[reference["name"]][reference["key"]] if reference else variable["value"]
    return found


@pytest.fixture
def bucket_server() -> Iterator[str]:
    """An S3 server in the place of MinIO."""
    (port,) = free_ports(1)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def milvus_uri(tmp_path: Path, bucket_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Milvus with the overlay's variables, its addresses and folders put where this machine has them."""
    ours = {"MINIO_ADDRESS": bucket_server, "ETCD_DATA_DIR": str(tmp_path / "etcd")}
    of_image = {"COMMON_STORAGETYPE": "minio"}  # what the image's own file says, and the PyPI package's does not
    for name, value in (variables("milvus") | ours | of_image).items():
        monkeypatch.setenv(name, value)
    with milvus(tmp_path / "milvus") as uri:
        yield uri


def test_milvus_stores_in_the_bucket(milvus_uri: str, bucket_server: str, tmp_path: Path) -> None:
    """With the overlay's variables Milvus makes the bucket, takes vectors, finds them, and keeps them there."""
    config = VectorsConfig(kind="milvus", uri=milvus_uri, index="HNSW", search_params={"ef": 64}, mmap=True)
    vectors = np.eye(16, dtype=np.float32)
    keys = np.arange(16, dtype=np.int64) + (3 << 20)
    with open_vectors(config, tmp_path) as store:
        store.create("songs", 16)
        store.upsert("songs", keys, vectors, random_peaks(16))
        store.flush("songs")
        assert store.count("songs") == 16
        assert store.search("songs", vectors[:2], 1, strong=True).keys[:, 0].tolist() == keys[:2].tolist()
    found = boto3.client(
        "s3",
        endpoint_url=f"http://{bucket_server}",
        region_name="us-east-1",
        aws_access_key_id=variables("minio")["MINIO_ROOT_USER"],
        aws_secret_access_key=variables("minio")["MINIO_ROOT_PASSWORD"],
    ).list_objects_v2(Bucket=variables("milvus")["MINIO_BUCKET_NAME"])
    assert found["KeyCount"] > 0


def test_the_probe_of_mysql_asks_without_a_password(mariadb_url: str) -> None:
    """The health check succeeds where the server answers, and fails where there is none."""
    command = container("mysql")["readinessProbe"]["exec"]["command"]
    port = mariadb_url.rsplit(":", 1)[1].partition("/")[0]
    there, nowhere = (
        subprocess.run(
            [*command[:-1], f"--port={at}", *command[-1:]],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )
        for at in (port, free_ports(1)[0])
    )
    assert (there.returncode, nowhere.returncode) == (0, 1), there.stderr
