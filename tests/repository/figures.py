"""Which figures there are, and which of them an expression of Prometheus asks for."""

import re
import warnings
from collections.abc import Iterator, Mapping

import pytest
from pydantic import PydanticDeprecatedSince20

import ingest.metrics
from tests.repository.prometheus import rules

with warnings.catch_warnings():
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)  # Ray's own models, at import
    import serve.ray_meter

Labels = Mapping[str, frozenset[str]]

OF_THE_SCRAPE = frozenset({"namespace", "job", "pod", "le"})
OF_RAY = {  # test_dashboards.py finds them in the installed Ray
    "ray_data_operator_queued_blocks": frozenset({"operator"}),
    "ray_node_cpu_utilization": frozenset[str](),
    "ray_node_disk_free": frozenset[str](),
    "ray_node_disk_usage": frozenset[str](),
    "ray_node_gpus_available": frozenset({"GpuIndex"}),
    "ray_node_gpus_utilization": frozenset({"GpuIndex"}),
    "ray_node_mem_total": frozenset[str](),
    "ray_node_mem_used": frozenset[str](),
    "ray_object_store_memory": frozenset({"Location"}),
    "ray_serve_deployment_queued_queries": frozenset({"application", "deployment"}),
    "ray_serve_deployment_replica_healthy": frozenset({"application", "deployment"}),
    "ray_serve_num_http_requests_total": frozenset({"application", "route", "status_code"}),
    "ray_serve_num_ongoing_http_requests": frozenset[str](),
    "ray_serve_replica_processing_queries": frozenset({"application", "deployment"}),
}
OF_KUBERAY = {  # the operator's documentation tells them
    "kuberay_job_deployment_status": frozenset({"name", "deployment_status"}),
    "kuberay_job_info": frozenset({"name"}),
    "kuberay_service_condition_ready": frozenset({"name", "condition"}),
}
OF_PROMETHEUS = {"up": frozenset[str]()}

LABELS = r"\{(?P<labels>[^}]*)\}"
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) ?\((?P<labels>[^)]*)\)")
OPERATORS = frozenset({"and", "or", "unless"})
SELECTOR = re.compile(rf"(?P<name>[a-zA-Z_:][\w:]*)\b(?! *\()(?:{LABELS})?")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
RANGE = re.compile(r"\[[^\]]*\]")


class Recorded:
    """Stands in for a figure of Ray: the names and labels of all that are made."""

    made: dict[str, frozenset[str]]
    suffixes: tuple[str, ...]

    def __init__(self, name: str, description: str = "", tag_keys: tuple[str, ...] = (), boundaries: object = None):
        for suffix in self.suffixes:
            self.made[f"ray_{name.removesuffix(suffix)}{suffix}"] = frozenset(tag_keys)


def of_refrain(monkeypatch: pytest.MonkeyPatch) -> Labels:
    """What job and service export: the code is asked, as it makes them."""
    made: dict[str, frozenset[str]] = {}
    kinds = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
    for module in (ingest.metrics, serve.ray_meter):
        for kind, suffixes in kinds.items():
            recorded = type(kind, (Recorded,), {"made": made, "suffixes": suffixes})
            monkeypatch.setattr(module, kind, recorded, raising=False)
    ingest.metrics.JobMetrics("default")
    serve.ray_meter.RayMeter()
    return made


def recorded() -> dict[str, frozenset[str]]:
    """What the rules make of that: the labels of a level are the first part of its name."""
    names = [rule["record"] for rule in rules() if "record" in rule]
    return {name: frozenset(name.split(":")[0].split("_")) for name in names}


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each figure that an expression names, with the labels that select from it.

    >>> found = asked('sum by (pod) (rate(a_total{code="x y", job!="z"}[5m])) / on (pod) up > 2 and b')
    >>> [(name, sorted(labels)) for name, labels in found]
    [('a_total', ['code', 'job']), ('up', []), ('b', [])]
    """
    plain = GROUPING.sub("", RANGE.sub("", STRING.sub('""', expression)))
    for found in SELECTOR.finditer(plain):
        if found["name"] not in OPERATORS:
            yield found["name"], set(re.findall(r"(\w+) ?[=!]", found["labels"] or ""))


def selectors(expression: str) -> Iterator[str]:
    """Each series that an expression selects, as it is written there.

    >>> list(selectors('sum by (pod) (rate(a_total{code=~"x|y"}[5m])) / on (pod) up > 2 and b'))
    ['a_total{code=~"x|y"}', 'up', 'b']
    """
    for found in SELECTOR.finditer(GROUPING.sub("", RANGE.sub("", expression))):
        if found["name"] not in OPERATORS:
            yield found[0]


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups or joins by."""
    return {label for found in GROUPING.finditer(expression) for label in re.findall(r"\w+", found["labels"])}
