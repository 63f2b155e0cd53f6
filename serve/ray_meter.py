"""The meter of a replica: figures go to Ray's agent of the node, which adds up nothing and forgets nothing.

A counter of one replica behind a balanced route would jump at every scrape. Ray's agent has the series of every replica
of its node, labelled, and `/metrics` is its page without what concerns Ray alone. In a cluster, scrape the agents
themselves.
"""

from collections.abc import Mapping

import httpx
import ray
from ray.serve.metrics import Counter, Gauge, Histogram

from serve.meter import BUCKETS_MS, select

TIMEOUT_S = 5.0


class RayMeter:
    """To be made inside a replica."""

    def __init__(self) -> None:
        self._requests = Counter(
            "refrain_requests",
            description="Requests answered.",
            tag_keys=("route", "status", "code", "key"),  # type: ignore[arg-type]
        )
        self._request_ms = Histogram(
            "refrain_request_ms",
            description="Milliseconds from the first byte to the answer.",
            boundaries=BUCKETS_MS,
            tag_keys=("route",),
        )
        self._stage_ms = Histogram(
            "refrain_stage_ms",
            description="Milliseconds of a clip or a long recording in each of its stages.",
            boundaries=BUCKETS_MS,
            tag_keys=("stage", "of"),  # type: ignore[arg-type]
        )
        self._clips = Counter(
            "refrain_clips",
            description="Clips identified, by whether anything matched, and whether names were to be had.",
            tag_keys=("matched", "degraded"),  # type: ignore[arg-type]
        )
        self._ledger_vectors = Gauge(
            "refrain_ledger_vectors",
            description="Vectors that the ledger names of the generation that answers.",
            tag_keys=("catalog",),
        )
        self._milvus_vectors = Gauge(
            "refrain_milvus_vectors",
            description="Vectors that its collection in Milvus holds.",
            tag_keys=("catalog",),
        )

    def request(self, route: str, status: int, code: str, elapsed_ms: float, key: str) -> None:
        self._requests.inc(1, tags={"route": route, "status": str(status), "code": code, "key": key})
        self._request_ms.observe(elapsed_ms, tags={"route": route})

    def stages(self, timings_ms: Mapping[str, float], matched: bool, degraded: bool) -> None:
        self._clips.inc(1, tags={"matched": str(matched).lower(), "degraded": str(degraded).lower()})
        self._spent(timings_ms, "clip")

    def timeline(self, timings_ms: Mapping[str, float]) -> None:
        self._spent(timings_ms, "timeline")

    def vectors(self, catalog: str, ledger: int, milvus: int) -> None:
        self._ledger_vectors.set(ledger, tags={"catalog": catalog})
        self._milvus_vectors.set(milvus, tags={"catalog": catalog})

    def _spent(self, timings_ms: Mapping[str, float], of: str) -> None:
        for stage, elapsed_ms in timings_ms.items():
            self._stage_ms.observe(elapsed_ms, tags={"stage": stage, "of": of})

    def page(self) -> str:
        response = httpx.get(agent_url(), timeout=TIMEOUT_S, trust_env=False)
        response.raise_for_status()
        return select(response.text.splitlines())


def agent_url() -> str:
    """Where Ray's agent of this node shows its figures."""
    here = ray.get_runtime_context().get_node_id()
    node = next(node for node in ray.nodes() if node["NodeID"] == here)  # type: ignore[no-untyped-call]
    return f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
