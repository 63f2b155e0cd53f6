"""A Ray node as KubeRay starts it: what the operator's probes ask answers, and the preStop command drains it."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.services import free_ports
from tests.repository.configured import python, run
from tests.repository.kubernetes import cluster_spec, of_kind

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
START_S = 180.0
HEALTHY = {"agent": "/api/local_raylet_healthz", "dashboard": "/api/gcs_healthz"}
# Asked of the GCS without a driver: none starts on a node that drains, and an idle one is gone at once.
TAKING_WORK = """
import os
from ray._private.state import GlobalState
from ray._raylet import GcsClientOptions
state = GlobalState()
state._initialize_global_state(GcsClientOptions.create(os.environ["RAY_ADDRESS"], None, True, False))
print(sum(node["Alive"] for node in state.node_table()) - len(state.get_draining_nodes()))
"""


class Node:
    """A head of its own on free ports, with a token as `authOptions` gives one."""

    def __init__(self, folder: str) -> None:
        self.gcs, self.dashboard, self.agent, client = free_ports(4)
        self.log = Path(folder) / "start.log"
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        self.environment |= {"RAY_ADDRESS": f"127.0.0.1:{self.gcs}", "RAY_USAGE_STATS_ENABLED": "0"}
        (job,) = of_kind("k8s/base", "RayJob")
        given = cluster_spec(job)["headGroupSpec"]["rayStartParams"]
        ours = {"port": self.gcs, "dashboard-port": self.dashboard, "dashboard-agent-listen-port": self.agent}
        ours |= {"ray-client-server-port": client, "node-ip-address": "127.0.0.1"}
        options = [f"--{name}={value}" for name, value in {**given, **ours, "temp-dir": folder}.items()]
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", *options]
        environment = os.environ | self.environment
        environment.pop("RAY_ADDRESS")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def is_healthy(self, who: str) -> bool:
        port = {"agent": self.agent, "dashboard": self.dashboard}[who]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{HEALTHY[who]}", timeout=5) as response:
                return b"success" in response.read()
        except OSError:
            return False


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="refrain-node-", ignore_cleanup_errors=True) as folder:
        started = Node(folder)
        try:
            patience = time.monotonic() + START_S
            while not all(map(started.is_healthy, HEALTHY)):
                assert started.process.poll() is None and time.monotonic() < patience, started.log.read_text()[-2000:]
                time.sleep(0.5)
            yield started
        finally:
            started.process.terminate()
            started.process.wait(60)


def test_the_probes_need_no_token(node: Node) -> None:
    """Raylet and GCS tell how they are to who has no token, as the operator's probes have none."""
    assert all(map(node.is_healthy, HEALTHY))


def test_the_waiting_worker_hears_of_the_head(node: Node, tmp_path: Path) -> None:
    """`ray health-check`, by which KubeRay's init container waits, finds the head."""
    assert run(f"ray health-check --address 127.0.0.1:{node.gcs}", node.environment, tmp_path).returncode == 0


def nodes_taking_work(node: Node, folder: Path) -> int:
    told = run(python(TAKING_WORK), node.environment, folder)
    assert told.returncode == 0, told.stderr
    return int(told.stdout.split()[-1])


def test_the_last_command_drains_the_node(node: Node, tmp_path: Path) -> None:
    """The workers' preStop command is taken by Ray: the node that it runs on takes no more work."""
    (service,) = of_kind("k8s/base", "RayService")
    pod = cluster_spec(service)["workerGroupSpecs"][0]["template"]["spec"]
    (*_, command) = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert nodes_taking_work(node, tmp_path) == 1
    done = run(re.sub(r"sleep \d+$", "true", command), node.environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert nodes_taking_work(node, tmp_path) == 0
