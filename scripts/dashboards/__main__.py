"""`python -m scripts.dashboards url=http://prometheus:9090 out=DIR`: the dashboards as PNG files, without a Grafana.

The panels are those of k8s/components/dashboards, each dashboard one picture of the last hours, or of those before
`until_s`. It says which panels had nothing to show.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conf import compose
from ingest.errors import ConfigurationError
from scripts.dashboards.boards import Board, read_boards
from scripts.dashboards.drawing import draw
from scripts.dashboards.ranges import Ranges, Span
from scripts.entry import run_entry


@dataclass
class DashboardsConfig:
    """See conf/dashboards.yaml."""

    url: str
    out: str
    namespace: str
    catalog: str
    last_s: float
    until_s: float | None
    step_s: float
    rate_s: float

    def ranges(self) -> Ranges:
        """Raises ConfigurationError."""
        if not self.url.startswith(("http://", "https://")):
            raise ConfigurationError("url must be that of a Prometheus, like http://prometheus:9090")
        if not 0 < self.step_s <= self.last_s or self.rate_s < 1:
            raise ConfigurationError("step_s must be above 0 and not above last_s, rate_s not below 1")
        until_s = time.time() if self.until_s is None else self.until_s
        variables = {
            "namespace": self.namespace,
            "catalog": self.catalog,
            "__rate_interval": f"{round(self.rate_s)}s",
        }
        return Ranges(self.url.rstrip("/"), Span(until_s - self.last_s, until_s, self.step_s), variables)


def main(arguments: Sequence[str]) -> int:
    return run_entry("dashboards", arguments, __doc__ or "", render)


def render(arguments: Sequence[str]) -> None:
    """One picture a dashboard. Raises RefrainError."""
    config = compose("dashboards", arguments, DashboardsConfig)
    ranges, out = config.ranges(), Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    for board in read_boards():
        print(_render(board, ranges, out / f"dashboard-{board.name}.png"))


def _render(board: Board, ranges: Ranges, path: Path) -> str:
    """What there is to say of the picture."""
    curves = {panel.title: ranges.curves(panel) for panel in board.panels}
    draw(board, curves, ranges.span, path)
    empty = [title for title, found in curves.items() if not found]
    return f"{path}: {len(curves) - len(empty)} of {len(curves)} panels" + (
        f"; no data: {', '.join(empty)}" if empty else ""
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
