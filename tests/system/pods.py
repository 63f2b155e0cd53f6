"""Pods on a network of this machine: each with its own address, processes, files of the ConfigMap, and nothing else.

A pod's root is that of the machine with other folders laid over it; its processes end with the first of them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ingest.supervisor import end_with_parent
from serve.process_tree import below
from tests.repository.configured import write_files
from tests.system.catalogue import ROOT
from tests.system.network import HUB, Network
from tests.system.policies import Labels

STORES = ("milvus", "mysql", "bucket")
# etc and lib from the pod's folder; tmp where all have it under one path, as Ray wants it.
LAY_OUT = """
mount -t overlay -o "lowerdir=$1/etc:/etc" none /etc &&
mount -t overlay -o "lowerdir=$1/lib:/var/lib" none /var/lib && mount -t tmpfs none /var/lib/refrain &&
mount -t tmpfs none /dev/shm && mount --bind "$1/tmp" "$2" && hostname "$3" && cd /var/lib/refrain &&
exec bash -c "$4"
"""


@dataclass
class Pod:
    name: str
    address: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """The lines that are objects: what job and service tell on the output of the first process."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith('{"service"')]

    def titles(self) -> list[str]:
        """Of its processes."""
        found = []
        for one in below(self.process.pid):
            with suppress(OSError):
                found.append(Path(f"/proc/{one.pid}/cmdline").read_text(errors="replace"))
        return found


@dataclass
class Pods:
    """All of one network; `folder` has a short name, because sockets lie below it."""

    network: Network
    folder: Path
    names: dict[str, str] = field(default_factory=lambda: dict.fromkeys(STORES, HUB))
    running: list[Pod] = field(default_factory=list)

    def start(
        self, name: str, labels: Labels, command: str, variables: Mapping[str, str], files: Mapping[str, str]
    ) -> Pod:
        """`files` by their paths, of which the container finds those in /etc; names of pods are known to later ones."""
        place, log = self.folder / name, self.folder / f"{name}.log"
        address = self.names[name] = self.network.add(labels)
        for folder in ("etc", "lib/refrain", "tmp"):
            (place / folder).mkdir(parents=True)
        hosts = "".join(f"{at} {known}\n" for known, at in self.names.items())
        write_files({"etc/hosts": f"127.0.0.1 localhost\n{hosts}", **files}, place)
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"]
        shell = ["sh", "-c", LAY_OUT, "sh", str(place), str(self._shared()), name, command]
        with log.open("ab") as output:  # others append to it, too
            process = subprocess.Popen(
                self.network.command(address, *alone, *shell),
                env=self._environment() | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=partial(end_with_parent, signal.SIGKILL),
            )
        self.running.append(pod := Pod(name, address, process, log))
        return pod

    def kill(self, pod: Pod) -> None:
        """All its processes at once; its name and address are forgotten."""
        self.running.remove(pod)
        first = [one.pid for one in below(pod.process.pid) if one.parent == pod.process.pid]
        for pid in first or [pod.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        pod.process.wait()  # for the last of them
        self.names.pop(pod.name)
        self.network.remove(pod.address)

    def close(self) -> None:
        for pod in list(self.running):
            self.kill(pod)

    def _shared(self) -> Path:
        (path := self.folder / "t").mkdir(exist_ok=True)
        return path

    def _environment(self) -> dict[str, str]:
        """As the image has it, with the programs of this installation."""
        place = str(self._shared())
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {
            "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOME": place, "TMPDIR": place,
            "RAY_TMPDIR": place, "NUMBA_CACHE_DIR": f"{place}/numba", "MPLCONFIGDIR": f"{place}/matplotlib",
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip


@contextmanager
def pods_on(network: Network) -> Iterator[Pods]:
    folder = Path(tempfile.mkdtemp(prefix="rf-", dir="/tmp"))
    pods = Pods(network, folder)
    try:
        yield pods
    finally:
        pods.close()
        shutil.rmtree(folder, ignore_errors=True)
