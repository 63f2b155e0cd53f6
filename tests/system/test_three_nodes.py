"""The manifests' own job and service on three nodes of a network: a node is lost, and nothing else is.

Nothing passes between the nodes and what is around them but what the NetworkPolicies name.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.config import EncoderConfig
from ingest.fingerprint import SAMPLE_RATE
from ingest.model import read_model
from ingest.stores import open_metadata
from scripts.load.material import Clip
from scripts.music import compose
from scripts.music.files import FORMATS, encode
from serve.config import KeyConfig
from serve.keys import hash_of, line_of, new_token
from tests.repository.kubernetes import of_kind
from tests.system.catalogue import FORMS, Left, write_pieces
from tests.system.kuberay import DASHBOARD, GCS, running
from tests.system.network import network
from tests.system.pod_stores import Stores, stores
from tests.system.pods import Pod, Pods, pods_on
from tests.system.ray_pods import RayPods, ray_pods, until
from tests.system.steady import asking

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1_800)]
LAYER = "tests/system/three_nodes"
FILES, SECONDS, CLIP_S = 16, 20.0, 5.0
APPLICATIONS = "/api/serve/applications/"
ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    with network(of_kind(LAYER, "NetworkPolicy")) as laid, pods_on(laid) as pods:
        yield pods


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_pieces(tmp_path_factory.mktemp("music"), FILES, SECONDS)


@pytest.fixture(scope="module")
def around(pods: Pods, music: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with stores(pods.network, tmp_path_factory.mktemp("stores"), music) as around:
        yield around


@pytest.fixture(scope="module")
def job(pods: Pods, around: Stores) -> Iterator[RayPods]:
    with ray_pods(pods, LAYER, "RayJob") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def undisturbed(job: RayPods, around: Stores) -> Left:
    """What the RayJob leaves when nothing happens."""
    assert ended(job, "undisturbed", job.submit("undisturbed")) == ("SUCCEEDED", 0)
    left = around.left("default", FILES)
    assert len(left.keys) == FILES and all(left.keys.values())
    ran = [event for event in job.head.events() if event["event"] == "run ended"]
    assert [(event["state"], event["done"]) for event in ran] == [("done", FILES)], "the head's output tells it"
    return left


def ended(cluster: RayPods, name: str, submitter: Pod) -> tuple[str, int]:
    """How the operator sees the job when it has ended, and the exit code of its command."""
    told: dict[str, Any] = {}

    def has_ended() -> bool:
        told.update(cluster.told(f"/api/jobs/{name}"))
        return told["status"] in ENDED

    until(has_ended, said=submitter.said)
    cluster.pods.kill(submitter)
    return told["status"], told["driver_exit_code"]


def embedded(around: Stores, name: str) -> int:
    """Files of a catalogue that are through the first phase."""
    with open_metadata(around.metadata, Path("unused")) as metadata:
        return metadata.catalog(name).counts(read_model(EncoderConfig(weights=None)).checksum).done


def test_nothing_else_passes(job: RayPods, undisturbed: Left) -> None:
    """From outside the dashboard is reached and the GCS is not; nothing that the nodes wanted was kept from leaving."""
    reached = {}
    for port, patience_s in ((DASHBOARD, 120.0), (GCS, 5.0)):
        with job.network.reached(job.head.address, port) as at, socket.create_connection(at) as asking:
            asking.settimeout(patience_s)
            asking.sendall(b"GET / HTTP/1.1\r\nHost: head\r\nConnection: close\r\n\r\n")
            with suppress(TimeoutError):
                reached[port] = asking.recv(1)
    assert reached == {DASHBOARD: b"H"}
    assert not any(map(job.network.refused, (pod.address for pod in (job.head, *job.workers))))


def lose(cluster: RayPods, worker: Pod, how: str) -> None:
    """Killed, its connections are closed; unplugged, they hang."""
    (cluster.remove if how == "killed" else cluster.unplug)(worker)


@pytest.mark.parametrize("how", ["killed", "unplugged"])
def test_a_job_that_loses_a_node(how: str, job: RayPods, around: Stores, undisturbed: Left) -> None:
    """The worker with the embedder is gone in the middle, its connections closed or left hanging: the job ends with
    exit code 0 and leaves what the undisturbed one left.
    """
    submitter = job.submit(how, f"catalog.name={how}")
    lost = job.holding("EmbedWindows")
    until(lambda: embedded(around, how) > 0, said=submitter.said)
    lose(job, lost, how)
    assert embedded(around, how) < FILES, "it was over already"
    assert ended(job, how, submitter) == ("SUCCEEDED", 0)
    assert around.left(how, FILES) == undisturbed
    job.add_worker()


@pytest.fixture(scope="module")
def token() -> str:
    return new_token()


@pytest.fixture(scope="module")
def service(token: str, job: RayPods, undisturbed: Left) -> Iterator[RayPods]:
    """The RayService on what the RayJob left, told its configuration as the operator tells it."""
    job.close()
    keys = line_of(KeyConfig("tests", hash_of(token), ["read"]))
    with ray_pods(job.pods, LAYER, "RayService", {"/etc/refrain/keys/keys.yaml": keys}) as cluster:
        config = yaml.safe_load(cluster.manifest["spec"]["serveConfigV2"])
        assert cluster.told(APPLICATIONS, config) is None
        until(lambda: is_running(cluster), said=cluster.head.said)
        yield cluster


def is_running(service: RayPods) -> bool:
    return running(service.told(APPLICATIONS))


def clips() -> list[Clip]:
    """Of a few pieces one, and one that nobody knows."""

    def cut(seed: int) -> bytes:
        first, length = round(9.3 * SAMPLE_RATE), round(CLIP_S * SAMPLE_RATE)
        return encode(compose(seed, SECONDS, SAMPLE_RATE)[first : first + length][None], SAMPLE_RATE, FORMATS["wav"])

    return [*(Clip(cut(seed), uri(seed)) for seed in (1, 2, 3)), Clip(cut(71), None)]


def uri(seed: int) -> str:
    return f"s3://refrain/music/piece {seed:02d}{FORMATS[FORMS[seed % len(FORMS)]].suffix}"


def spared(service: RayPods) -> Pod:
    """A worker without which there is still a replica of each kind: Serve leaves those that live where they are."""
    for worker in service.workers:
        others = [title for other in service.workers if other is not worker for title in other.titles()]
        if all(any(f"ServeReplica:refrain:{name}" in title for title in others) for name in ("api", "encoder")):
            return worker
    raise AssertionError("all replicas of a kind are on one worker")


@pytest.mark.parametrize("how", ["unplugged", "killed"])
def test_a_service_that_loses_a_node(how: str, service: RayPods, token: str) -> None:
    """One of two workers is gone while the other is asked: that one goes on answering most of them, and rightly, turns
    away the others as promised, and turns nothing away any more once another worker is there.
    """
    lost = spared(service)
    (kept,) = [worker for worker in service.workers if worker is not lost]
    with (
        service.network.reached(kept.address, 8000) as (host, port),
        asking(f"http://{host}:{port}", clips(), token) as steady,
    ):
        lost_s = steady.now_s()
        lose(service, lost, how)
        until(lambda: not is_running(service), said=service.head.said)
        service.add_worker()
        until(lambda: is_running(service), said=service.head.said)
        again_s = steady.now_s()
    told = [event for worker in service.workers for event in worker.events()]
    assert {"clip answered", "request"} <= {event["event"] for event in told if "request_id" in event}
    meanwhile = [reply.accepted for reply in steady.replies if lost_s <= reply.due_s < again_s]
    assert sum(meanwhile) > len(meanwhile) / 2
    assert all(reply.accepted for reply in steady.replies if reply.due_s >= again_s)
