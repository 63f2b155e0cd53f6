"""A Ray cluster of pods, as KubeRay makes one of a RayJob or RayService; and what the operator asks and tells."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import httpx

from tests.repository.configured import environment, mounted
from tests.repository.kubernetes import Manifest, cluster_spec, of_kind
from tests.system.kuberay import DASHBOARD, start_command, submit_command, variables
from tests.system.network import Network
from tests.system.pods import Pod, Pods
from tests.waiting import wait_for

CONF = "/etc/refrain/conf"
STARTED = "Ray runtime started"
PATIENCE_S = 600.0  # on a machine that has other things to do
until = partial(wait_for, within_s=PATIENCE_S, every_s=0.2, forgiven=httpx.HTTPError)


class RayPods:
    """`secrets_of` are files that a Secret brings, by their paths in a pod."""

    def __init__(self, pods: Pods, layer: str, kind: str, secrets_of: Mapping[str, str] | None = None) -> None:
        (self.manifest,) = of_kind(layer, kind)
        self.pods, self._layer, self._secrets = pods, layer, dict(secrets_of or {})
        self._spec, self._token = cluster_spec(self.manifest), secrets.token_hex(16)
        self._numbers = count(1)
        self._service = f"{self.manifest['metadata']['name']}-head-svc"
        self.head = self._start(self._service, self._spec["headGroupSpec"], None)
        until(lambda: STARTED in self.head.said(), said=self.head.said)
        self.workers: list[Pod] = []
        self.unplugged: list[Pod] = []
        for _ in range(self._spec["workerGroupSpecs"][0]["replicas"]):
            self.add_worker()

    @property
    def network(self) -> Network:
        return self.pods.network

    def add_worker(self) -> Pod:
        """As the operator brings up another one; comes back when Ray has it."""
        group = self._spec["workerGroupSpecs"][0]
        worker = self._start(f"{self._service}-{group['groupName']}-{next(self._numbers)}", group, self._service)
        self.workers.append(worker)
        until(lambda: STARTED in worker.said(), said=worker.said)
        return worker

    def remove(self, worker: Pod) -> None:
        """It is gone at once."""
        self.workers.remove(worker)
        self.pods.kill(worker)

    def unplug(self, worker: Pod) -> None:
        """Its processes go on, and reach nobody."""
        self.workers.remove(worker)
        self.unplugged.append(worker)
        self.network.unplug(worker.address)

    def holding(self, title: str) -> Pod:
        """The worker on which a process of this title is."""
        found: list[Pod] = []

        def look() -> bool:
            found[:] = [one for one in self.workers if any(title in process for process in one.titles())]
            return bool(found)

        until(look, said=self.head.said)
        return found[0]

    def submit(self, job: str, *options: str) -> Pod:
        """The RayJob's entrypoint with options behind it, submitted as the operator does; the pod shows its log."""
        spec = self.manifest["spec"]
        template = spec["submitterPodTemplate"]["metadata"]["labels"]
        command = submit_command(" ".join([spec["entrypoint"].strip(), *options]), job, self._service)
        return self.pods.start(f"submitter-{job}", template, command, self._variables(self._service), {})

    def told(self, path: str, body: Any = None) -> Any:
        """What the head's dashboard tells the operator; with a body it is told something first."""
        with self.network.reached(self.head.address, DASHBOARD) as (host, port):
            headers = {"authorization": f"Bearer {self._token}"}
            url = f"http://{host}:{port}{path}"
            how = "GET" if body is None else "PUT"
            answer = httpx.request(how, url, json=body, headers=headers, trust_env=False, timeout=60.0)
            answer.raise_for_status()
            return answer.json() if answer.content.startswith((b"{", b"[")) else None

    def close(self) -> None:
        for pod in (*self.workers, *self.unplugged, self.head):
            if pod in self.pods.running:
                self.pods.kill(pod)

    def _start(self, name: str, group: Manifest, head: str | None) -> Pod:
        template = group["template"]
        pod, container = template["spec"], template["spec"]["containers"][0]
        files = {f"{CONF}/{path}": text for path, text in mounted(self._layer, pod, container, CONF).items()}
        files |= self._secrets
        given = environment(self._layer, container) | self._variables(head)
        labels = template["metadata"]["labels"]
        relative = {path.lstrip("/"): text for path, text in files.items()}
        return self.pods.start(name, labels, start_command(group, head), given, relative)

    def _variables(self, head: str | None) -> dict[str, str]:
        return variables(self.manifest["kind"], head, self._token)


@contextmanager
def ray_pods(pods: Pods, layer: str, kind: str, files: Mapping[str, str] | None = None) -> Iterator[RayPods]:
    cluster = RayPods(pods, layer, kind, files)
    try:
        yield cluster
    finally:
        cluster.close()
