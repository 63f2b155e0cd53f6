"""A real Prometheus that scrapes as the PodMonitors tell the operator, with the rules of the base."""

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from scripts.services import find_promtool, free_ports
from tests.repository.kubernetes import of_kind
from tests.repository.prometheus import write_rules

NAMESPACE = "refrain"
INTERVAL = "1s"
START_S = 60.0


class Prometheus:
    """Its answers, and the pods that it finds: `discover` gives it ports of them."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self.url, self.began_s = folder, url, time.time()

    def discover(self, pod: str, app: str, ports: Iterable[int]) -> None:
        """A pod with this name and label, as the discovery of Kubernetes shows it to Prometheus."""
        labels = {
            "__meta_kubernetes_namespace": NAMESPACE,
            "__meta_kubernetes_pod_name": pod,
            _meta("app.kubernetes.io/name"): app,
        }
        found = [{"targets": [f"127.0.0.1:{port}" for port in ports], "labels": labels}]
        aside = self._folder / "aside"
        aside.write_text(json.dumps(found))
        aside.rename(self._folder / f"{pod}.json")

    def series(self, selector: str) -> list[dict[str, str]]:
        """Labels of all that a selector matches, at whatever time it was seen."""
        found: list[dict[str, str]] = self._get("series", {"match[]": selector})
        return found

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What the expression yields now."""
        found: list[dict[str, Any]] = self._get("query", {"query": expression})["result"]
        return found

    def states(self) -> dict[str, str]:
        """Of each alert: inactive, pending or firing."""
        groups = self._get("rules", {"type": "alert"})["groups"]
        return {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}

    def troubled(self) -> set[str]:
        """The alerts that ever waited or fired."""
        return {one["alertname"] for one in self.series("ALERTS")}

    def _get(self, what: str, parameters: dict[str, str]) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]


def scrape_configs(folder: Path) -> list[dict[str, Any]]:
    """What the operator makes of the PodMonitors, but for the place where pods are found and the interval."""
    return [_scrape_config(monitor, folder) for monitor in of_kind("k8s/base", "PodMonitor")]


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """Comes up with the rules of the base, and without a pod."""
    folder.mkdir()
    write_rules(folder / "rules.yaml")
    every = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
    config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": scrape_configs(folder)}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    address, log = f"127.0.0.1:{port}", folder / "prometheus.log"
    options = [f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
    program = Path(find_promtool()).with_name("prometheus")
    with log.open("wb") as said:
        process = subprocess.Popen([program, *options, f"--web.listen-address={address}"], stdout=said, stderr=said)
    try:
        _wait_until_ready(f"http://{address}", process, log)
        yield Prometheus(folder, f"http://{address}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _scrape_config(monitor: dict[str, Any], folder: Path) -> dict[str, Any]:
    spec, name = monitor["spec"], monitor["metadata"]["name"]
    matched = [
        {"source_labels": [_meta(label)], "regex": value, "action": "keep"}
        for label, value in spec["selector"]["matchLabels"].items()
    ]
    named = {
        "namespace": "__meta_kubernetes_namespace",
        "pod": "__meta_kubernetes_pod_name",
        "job": _meta(spec["jobLabel"]),
    }
    relabelled = [{"source_labels": [source], "target_label": label} for label, source in named.items()]
    found = [{"files": [str(folder / "*.json")], "refresh_interval": INTERVAL}]
    return {"job_name": name, "file_sd_configs": found, "relabel_configs": [*matched, *relabelled]}


def _meta(label: str) -> str:
    return "__meta_kubernetes_pod_label_" + "".join(c if c.isalnum() else "_" for c in label)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
