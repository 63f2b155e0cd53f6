"""The lake in an object store, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from ingest.stores import Lake, LakeConfig, LakeError, LakeUnit, open_lake
from scripts.services import free_ports
from tests.stores.rows import random_peaks

ENCODER = "e" * 64


@pytest.fixture
def lake(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """A lake in a bucket of a local S3 server."""
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    boto3.client("s3").create_bucket(Bucket="music")
    yield open_lake(LakeConfig("s3://music/lake"), home)
    server.stop()


@pytest.mark.integration
def test_write_read_sweep(lake: Lake, home: Path) -> None:
    """The lake behaves in a bucket as it does in a folder."""
    segments, vectors, peaks = np.arange(4, dtype=np.int32), np.eye(4, dtype=np.float32), random_peaks(4)
    kept = lake.write(ENCODER, [LakeUnit(1, 0, segments, vectors, peaks)])
    gone = lake.write(ENCODER, [LakeUnit(2, 0, segments, vectors, peaks)])
    assert lake.sweep(ENCODER, {kept.file}) == [gone.file]
    (read,) = lake.read(ENCODER, {1: [kept.file]})
    assert np.array_equal(read.vectors, vectors)
    assert np.array_equal(read.peaks, peaks)
    with pytest.raises(LakeError, match="missing"):
        list(lake.read(ENCODER, {2: [gone.file]}))
    with pytest.raises(LakeError, match="cannot write s3://nowhere"):
        open_lake(LakeConfig("s3://nowhere/lake"), home).write(ENCODER, [LakeUnit(1, 0, segments, vectors, peaks)])
