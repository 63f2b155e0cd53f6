"""What is counted: requests by route and outcome, time by stage. Ray collects it from every replica of a node."""

from collections.abc import Iterable, Mapping
from typing import Protocol

PREFIXES = ("ray_refrain_", "ray_serve_deployment_", "ray_serve_num_")
BUCKETS_MS = [
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    40.0,
    60.0,
    80.0,
    120.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    20000.0,
    300000.0,
]


class Meter(Protocol):
    """Where figures go."""

    def request(self, route: str, status: int, code: str, elapsed_ms: float, key: str) -> None:
        """One answered request; code is that of the problem, or `ok`; key is the name of the caller's, or empty."""

    def stages(self, timings_ms: Mapping[str, float], matched: bool, degraded: bool) -> None:
        """One identified clip; degraded: the metadata store was away, names are missing."""

    def timeline(self, timings_ms: Mapping[str, float]) -> None:
        """One long recording that was followed to its end."""

    def vectors(self, catalog: str, ledger: int, milvus: int) -> None:
        """How many vectors of the generation that answers the ledger names, and Milvus holds."""

    def page(self) -> str:
        """Everything so far, in Prometheus' text format. May block."""


class NoMeter:
    """Counts nothing."""

    def request(self, route: str, status: int, code: str, elapsed_ms: float, key: str) -> None:
        pass

    def stages(self, timings_ms: Mapping[str, float], matched: bool, degraded: bool) -> None:
        pass

    def timeline(self, timings_ms: Mapping[str, float]) -> None:
        pass

    def vectors(self, catalog: str, ledger: int, milvus: int) -> None:
        pass

    def page(self) -> str:
        return ""


def select(lines: Iterable[str]) -> str:
    """The families of `PREFIXES`, of a page in Prometheus' text format.

    >>> select(["# TYPE ray_refrain_x counter", "ray_refrain_x 1.0", "# TYPE other gauge", "other 2.0"])
    '# TYPE ray_refrain_x counter\\nray_refrain_x 1.0\\n'
    """
    kept = []
    for line in lines:
        name = line.split(" ", 3)[2] if line.startswith("# ") and line.count(" ") >= 2 else line
        if name.startswith(PREFIXES):
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)
