"""On a Ray cluster of several nodes, with S3, MySQL and Milvus: whatever dies, nothing is lost or doubled."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ingest.config import EncoderConfig
from ingest.model import read_model
from ingest.stores import CatalogStore, MetadataConfig, VectorsConfig, open_metadata
from scripts.services import MILVUS_PORTS, free_ports, mariadb, milvus
from tests.system.catalogue import ROOT, Left, left_on, write_pieces
from tests.system.cluster import Cluster, ray_cluster
from tests.system.s3_proxy import FlakyS3, flaky_s3
from tests.system.scrape import Figures, documented, scraping

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1_200)]
FILES, SECONDS = 10, 20.0
# A file a block, two a lake file, one recording a load: as many moments to fail at as there are files.
FINE = (
    "compute.block_rows=1", "compute.embed_batch=1", "compute.sink_windows=2", "compute.load_batch=1",
    "compute.decode_actors=2", "compute.decode_cpus=0.5", "compute.embed_actors=1", "compute.embed_cpus=0.5",
    "progress.every_s=1",
)  # fmt: skip
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
PATIENCE_S = 600  # S3 is asked again for minutes before a job gives up
RESUMED_S = 120  # after which a job that was interrupted must be done, whatever had to come back to life
Reached = Callable[[CatalogStore, str], bool]


@dataclass
class World:
    """Servers, a cluster, and a bucket of music."""

    s3: FlakyS3
    cluster: Cluster
    mysql_folder: Path
    mysql_port: int
    milvus_folder: Path
    milvus_ports: list[int]
    servers: dict[str, ExitStack] = field(default_factory=dict)

    @property
    def metadata(self) -> MetadataConfig:
        return MetadataConfig("mysql", f"mysql+pymysql://root@127.0.0.1:{self.mysql_port}/refrain")

    @property
    def vectors(self) -> VectorsConfig:
        return VectorsConfig("milvus", f"http://127.0.0.1:{self.milvus_ports[1]}", index="HNSW", timeout_s=20)

    def start(self, name: str) -> None:
        """Bring a server up, again after `kill`."""
        stack = self.servers[name] = ExitStack()
        if name == "mysql":
            stack.enter_context(mariadb(self.mysql_folder, self.mysql_port))
        else:
            stack.enter_context(milvus(self.milvus_folder, self.milvus_ports))

    def kill(self, name: str) -> None:
        """The server is gone at once, with no chance to tidy up."""
        folder = str(self.mysql_folder if name == "mysql" else self.milvus_folder)
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if int(entry.name) != os.getpid() and folder in (entry / "cmdline").read_text():
                    os.kill(int(entry.name), signal.SIGKILL)
        self.servers.pop(name).close()

    def job(self, name: str, *options: str) -> subprocess.Popen[str]:
        """The command, started, for a catalogue of this name."""
        command = [
            *(sys.executable, "-m", "ingest", "home=s3://world-lake/home", "compute=cluster"),
            f"compute.address={self.cluster.address}",
            *("catalog=s3", "catalog.path=s3://world-songs", f"catalog.endpoint_url={self.s3.endpoint}"),
            *("vectors=milvus", f"vectors.uri={self.vectors.uri}", "vectors.timeout_s=20"),
            *("metadata=mysql", f"metadata.url={self.metadata.url}", f"catalog.name={name}", *FINE, *options),
        ]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.cluster.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, name: str, *options: str) -> tuple[int, str]:
        """The command to its end: exit code, and what it said."""
        with self.job(name, *options) as job:
            return finish(job)

    def resume(self, name: str) -> str:
        """The command again until it is done: what is not back to life yet makes it end with 1, resumable."""
        deadline = time.monotonic() + RESUMED_S
        code, said = self.run(name)
        while code == 1 and time.monotonic() < deadline:
            time.sleep(2)
            code, said = self.run(name)
        assert code == 0, said
        return said

    def wait(self, job: subprocess.Popen[str], name: str, reached: Reached) -> None:
        """Until the catalogue is so far; the job must still be at it."""
        encoder = read_model(EncoderConfig(weights=None)).checksum
        with open_metadata(self.metadata, Path("unused")) as metadata:
            catalog = metadata.catalog(name)
            while not reached(catalog, encoder):
                assert job.poll() is None, finish(job)
                time.sleep(0.05)

    def left(self, name: str) -> Left:
        """What stores hold of a catalogue: keys by uri, rows, vectors."""
        return left_on(self.metadata, self.vectors, name, FILES)


def finish(job: subprocess.Popen[str]) -> tuple[int, str]:
    out, error = job.communicate(timeout=PATIENCE_S)
    return job.returncode, out + error


def embedded(files: int) -> Reached:
    return lambda catalog, encoder: catalog.counts(encoder).done >= files


def loaded_some(catalog: CatalogStore, encoder: str) -> bool:
    generation = catalog.generation(encoder)
    return generation is not None and catalog.loaded_segments(generation.generation_id) > 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Music that only this process sees lies in a bucket; the nodes have that, MySQL and Milvus."""
    folder = tmp_path_factory.mktemp("world")
    with ExitStack() as opened, pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        opened.callback(server.stop)
        host, port = server.get_host_and_port()
        s3 = opened.enter_context(flaky_s3(f"http://{host}:{port}"))
        environment.setenv("AWS_ENDPOINT_URL", s3.endpoint)
        client = boto3.client("s3", endpoint_url=s3.endpoint)
        for bucket in ("world-songs", "world-lake"):
            client.create_bucket(Bucket=bucket)
        for path in write_pieces(folder / "hidden" / "music", FILES, SECONDS):
            client.upload_file(str(path), "world-songs", path.name)
        client.close()
        nodes = opened.enter_context(ray_cluster(folder / "hidden", {**CREDENTIALS, "AWS_ENDPOINT_URL": s3.endpoint}))
        ports = free_ports(len(MILVUS_PORTS) + 2)
        world = World(s3, nodes, folder / "mysql", ports.pop(), folder / "milvus", ports)
        for name in ("mysql", "milvus"):
            world.start(name)
            opened.callback(lambda name=name: world.servers.pop(name).close() if name in world.servers else None)
        yield world


@pytest.fixture(scope="module")
def scraped(world: World) -> Figures:
    """What the nodes exported during the first job, which nothing disturbs."""
    with scraping(lambda: world.cluster.metrics_ports) as figures:
        code, said = world.run("undisturbed")
    assert code == 0, said
    return figures


@pytest.fixture(scope="module")
def undisturbed(world: World, scraped: Figures) -> Left:
    """What that job left."""
    left = world.left("undisturbed")
    assert len(left.keys) == FILES and all(left.keys.values())
    return left


def test_home_is_in_the_bucket(world: World, undisturbed: Left) -> None:
    """Lake, manifest and reports lie there; the same command again finds nothing to do."""
    client = boto3.client("s3", endpoint_url=world.s3.endpoint)
    names = [item["Key"] for item in client.list_objects_v2(Bucket="world-lake")["Contents"]]
    client.close()
    for part in ("home/lake/undisturbed/", "/manifest.parquet", "/removed.csv", "/report.html", "/config.yaml"):
        assert any(part in name for name in names), names
    code, said = world.run("undisturbed")
    assert code == 0 and "nothing to do" in said and world.left("undisturbed") == undisturbed


def test_prometheus_hears_of_a_job(scraped: Figures, undisturbed: Left) -> None:
    """What the documentation names comes out of the nodes' metrics ports, and stays to the last file; no file is
    rejected here.
    """
    assert documented() - scraped.names == {"ray_refrain_ingest_rejects_total"}

    def seen(name: str, **labels: str) -> list[float]:
        return scraped.of(f"ray_refrain_ingest_{name}", catalog="undisturbed", **labels)

    assert seen("files_total", outcome="done")[-1] == FILES
    assert seen("vectors_total")[-1] == sum(map(len, undisturbed.keys.values()))
    assert seen("audio_seconds_total")[-1] == pytest.approx(FILES * SECONDS, rel=0.01)
    for name in ("files_left", "files_in_pipeline", "files_begun"):
        assert 0 <= max(seen(name)) <= FILES and seen(name)[-1] == 0
    for stage in ("decode", "embed"):
        assert 0 < seen("busy_seconds_total", stage=stage)[-1] < 60
        assert 0 < min(seen("utilisation", stage=stage)) <= max(seen("utilisation", stage=stage)) <= 1
    queues = scraped.of("ray_data_operator_queued_blocks")
    assert min(queues) >= 0 and max(queues) <= FILES


def test_a_node_that_dies_costs_nothing(world: World, undisturbed: Left) -> None:
    """Half-way through, a worker with all its actors and blocks is gone: the job ends right, by itself or run again."""
    with world.job("node") as job:
        world.wait(job, "node", embedded(3))
        world.cluster.kill_worker()
        code, said = finish(job)
    world.cluster.add_worker()
    if code != 0:
        assert code == 1, said
        world.resume("node")
    assert world.left("node") == undisturbed


@pytest.mark.long
def test_actors_that_die_are_replaced(world: World, undisturbed: Left) -> None:
    """A decoder and the embedder are killed at work: Ray starts others, and the job does not even fail."""
    with world.job("actors") as job:
        for stage in ("DecodeFiles", "EmbedWindows"):
            while not (pids := world.cluster.processes(stage)):
                assert job.poll() is None, finish(job)
                time.sleep(0.05)
            os.kill(pids[0], signal.SIGKILL)
        code, said = finish(job)
    assert code == 0, said
    assert world.left("actors") == undisturbed


@pytest.mark.long
@pytest.mark.parametrize(("server", "moment"), [("milvus", loaded_some), ("mysql", embedded(3))])
def test_a_server_that_is_restarted(world: World, undisturbed: Left, server: str, moment: Reached) -> None:
    """Milvus dies while it is loaded, MySQL in the middle of the run: the job says so, and the next one finishes."""
    name = f"restarted-{server}"
    with world.job(name) as job:
        world.wait(job, name, moment)
        world.kill(server)
        code, said = finish(job)
    assert code == 1 and server.replace("mysql", "MySQL").replace("milvus", "Milvus") in said, said
    world.start(server)
    world.resume(name)
    assert world.left(name) == undisturbed


@pytest.mark.parametrize("how", ["error", "slow_down", "truncate", "hang"])
@pytest.mark.long
def test_s3_that_fails_for_a_while(world: World, undisturbed: Left, how: Any) -> None:
    """A few answers that fail are asked for again; no file is rejected for them."""
    name = f"s3-{how.replace('_', '-')}"
    world.s3.fail(how, 4)
    before = world.s3.failed
    code, said = world.run(name)
    world.s3.fail("none", 0)
    assert world.s3.failed > before
    if code != 0:
        assert code == 1, said
        world.resume(name)
    assert world.left(name) == undisturbed


@pytest.mark.long
def test_s3_that_is_down(world: World, undisturbed: Left) -> None:
    """While nothing can be read the job fails, and blames no file; afterwards it goes on from there."""
    with world.job("down") as job:
        world.wait(job, "down", embedded(2))
        world.s3.fail("error", 1_000_000)
        code, said = finish(job)
    world.s3.fail("none", 0)
    assert code in (0, 1), said
    assert "rejected" not in world.resume("down")
    assert world.left("down") == undisturbed
