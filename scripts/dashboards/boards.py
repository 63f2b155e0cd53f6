"""What the JSON files of the dashboards say of their panels, as far as it can be drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "k8s" / "components" / "dashboards"


@dataclass(frozen=True)
class Target:
    """An expression, and how the series that it yields are called."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """`x`, `y`, `width`, `height` in cells, of which a dashboard is 24 wide; `low` and `high` of the axis."""

    title: str
    x: int
    y: int
    width: int
    height: int
    unit: str
    low: float | None
    high: float | None
    stacked: bool
    threshold: float | None
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Board:
    """`name` is that of its file."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def read_boards(folder: Path = FOLDER) -> list[Board]:
    """Every dashboard of the folder, by name."""
    return [_board(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]


def with_values(expression: str, variables: Mapping[str, str]) -> str:
    """As Grafana fills an expression in; the longest name first.

    >>> with_values('rate(a{b="$bc"}[$b])', {"b": "1m", "bc": "x"})
    'rate(a{b="x"}[1m])'
    """
    for name in sorted(variables, key=len, reverse=True):
        expression = expression.replace(f"${name}", variables[name])
    return expression


def _board(name: str, told: Mapping[str, Any]) -> Board:
    return Board(name, told["title"], tuple(map(_panel, told["panels"])))


def _panel(told: Mapping[str, Any]) -> Panel:
    place, defaults = told["gridPos"], told["fieldConfig"]["defaults"]
    return Panel(
        title=told["title"],
        x=place["x"],
        y=place["y"],
        width=place["w"],
        height=place["h"],
        unit=defaults["unit"],
        low=defaults.get("min"),
        high=defaults.get("max"),
        stacked=defaults["custom"].get("stacking", {}).get("mode") == "normal",
        threshold=_threshold(defaults),
        targets=tuple(Target(target["expr"], target["legendFormat"]) for target in told["targets"]),
    )


def _threshold(defaults: Mapping[str, Any]) -> float | None:
    """The first step above the base that is drawn as a line."""
    if defaults["custom"].get("thresholdsStyle", {}).get("mode") != "line":
        return None
    steps = [step["value"] for step in defaults["thresholds"]["steps"] if step["value"] is not None]
    return float(steps[0]) if steps else None
