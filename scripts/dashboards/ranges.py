"""What a Prometheus answers to a panel's expressions over some time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from conf import masked_text
from ingest.errors import InfrastructureError
from scripts.dashboards.boards import Panel, Target, with_values

TIMEOUT_S = 60.0
_LABEL = re.compile(r"\{\{ *(\w+) *\}\}")


@dataclass(frozen=True)
class Span:
    """Of time, in Unix seconds; both ends are looked at."""

    start_s: float
    end_s: float
    step_s: float

    def moments_s(self) -> np.ndarray:
        """float64 [N], one for each value of a curve."""
        return self.start_s + self.step_s * np.arange(int((self.end_s - self.start_s) / self.step_s + 1e-6) + 1)


@dataclass(frozen=True)
class Curve:
    """A series: float64 [N], NaN at moments without a finite value."""

    legend: str
    values: np.ndarray


@dataclass(frozen=True)
class Ranges:
    """Asks the Prometheus at `url`; `variables` are those of the dashboards, without their dollars."""

    url: str
    span: Span
    variables: Mapping[str, str]

    def curves(self, panel: Panel) -> list[Curve]:
        """All series of a panel that have a value at all. Raises InfrastructureError."""
        return [curve for target in panel.targets for curve in self.curves_of(target)]

    def curves_of(self, target: Target) -> Iterator[Curve]:
        """Those of one expression."""
        for series in self._ask(with_values(target.expression, self.variables)):
            values = self.placed(series["values"])
            if np.isfinite(values).any():
                yield Curve(legend_of(target.legend, series["metric"]), values)

    def placed(self, pairs: list[tuple[float, str]]) -> np.ndarray:
        """Prometheus leaves out moments without a value."""
        values = np.full(len(self.span.moments_s()), np.nan)
        for moment_s, text in pairs:
            value = float(text)
            if np.isfinite(value):
                values[round((moment_s - self.span.start_s) / self.span.step_s)] = value
        return values

    def _ask(self, expression: str) -> list[dict[str, Any]]:
        moments_s = self.span.moments_s()
        asked = {"query": expression, "start": moments_s[0], "end": moments_s[-1], "step": self.span.step_s}
        try:
            answer = httpx.get(f"{self.url}/api/v1/query_range", params=asked, timeout=TIMEOUT_S)
            told = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise InfrastructureError(f"no Prometheus answers at {masked_text(self.url)}: {error}") from error
        if told.get("status") != "success":
            raise InfrastructureError(f"Prometheus refuses {expression}: {told.get('error', answer.status_code)}")
        found: list[dict[str, Any]] = told["data"]["result"]
        return found


def legend_of(template: str, labels: Mapping[str, str]) -> str:
    """
    >>> legend_of("{{catalog}}: {{stage}}", {"catalog": "default", "stage": "embed"})
    'default: embed'
    """
    return _LABEL.sub(lambda found: labels.get(found[1], ""), template)
