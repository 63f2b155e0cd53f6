"""A Ray cluster of several nodes on this machine: a head without CPUs, and workers that see neither home nor music."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.services import free_ports
from serve.process_tree import below
from tests.system.catalogue import ROOT

RAY = Path(sys.executable).with_name("ray")
START_S = 120
STARTED = "Ray runtime started"


class Cluster:
    """`address` is what a job connects to, `environment` what it and the nodes have in common.

    `metrics_ports` are those of all nodes that ever were.
    """

    def __init__(self, hidden: Path, environment: dict[str, str]) -> None:
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.hidden = hidden
        self.metrics_ports: list[int] = []
        self.folder = tempfile.mkdtemp(prefix="rf-", dir="/tmp")  # sockets lie in it: a short path
        self.environment = {
            **os.environ, **environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_agent_register_timeout_ms": "120000",
            "RAY_health_check_initial_delay_ms": "5000", "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "5000", "RAY_health_check_failure_threshold": "3",
        }  # fmt: skip
        head = ["--head", f"--port={port}", f"--temp-dir={self.folder}", "--num-cpus=0", "--include-dashboard=false"]
        self.head = self._start(head, alone=False)
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, cpus: int = 3) -> None:
        """A node in a mount namespace of its own, where the hidden folder is empty."""
        self.workers.append(self._start([f"--address={self.address}", f"--num-cpus={cpus}"], alone=True))

    def kill_worker(self) -> None:
        """The newest node is gone at once, with all its processes."""
        _kill(self.workers.pop())

    def processes(self, name: str) -> list[int]:
        """Ids of worker processes whose title holds `name`, as Ray calls what an actor does; started, not starting."""
        titles = {process.pid: _title(process.pid) for worker in self.workers for process in below(worker.pid)}
        return [pid for pid, title in titles.items() if name in title and "__init__" not in title]

    def close(self) -> None:
        for process in (*self.workers, self.head):
            _kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, options: list[str], *, alone: bool) -> subprocess.Popen[bytes]:
        (metrics_port,) = free_ports(1)
        self.metrics_ports.append(metrics_port)
        options = [*options, f"--metrics-export-port={metrics_port}"]
        command = [str(RAY), "start", "--block", "--disable-usage-stats", "--object-store-memory=100000000", *options]
        if alone:
            hide = f"mount -t tmpfs none '{self.hidden}' && exec \"$@\""
            command = ["unshare", "--mount", "sh", "-c", hide, "sh", *command]
        log = Path(self.folder) / f"node-{secrets.token_hex(3)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while STARTED not in log.read_text(errors="replace"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)
        return process


@contextmanager
def ray_cluster(hidden: Path, environment: dict[str, str], workers: int = 2) -> Iterator[Cluster]:
    """A cluster whose workers do not see what lies in `hidden`."""
    cluster = Cluster(hidden, environment)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.close()


def _title(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
