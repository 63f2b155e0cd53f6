"""Dashboards and alerts ask for figures that exist, in expressions that Prometheus can read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

from tests.repository.figures import (
    OF_KUBERAY,
    OF_PROMETHEUS,
    OF_RAY,
    OF_THE_SCRAPE,
    Labels,
    asked,
    grouped,
    of_refrain,
    recorded,
)
from tests.repository.kubernetes import of_kind
from tests.repository.prometheus import promtool, rules

LAYER = "k8s/overlays/prod"
VARIABLES = {"$namespace": "refrain", "$catalog": "default", "$__rate_interval": "5m"}
LEGEND = re.compile(r"\{\{(\w+)\}\}")
RAY_SOURCES = ("serve/_private", "data/_internal/stats.py", "dashboard/modules/reporter", "dashboard/modules/metrics")


def dashboards() -> dict[str, dict[str, Any]]:
    """Each dashboard by the name of its ConfigMap, as Grafana's sidecar finds it."""
    maps = [m for m in of_kind(LAYER, "ConfigMap") if m["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
    return {m["metadata"]["name"]: json.loads(next(iter(m["data"].values()))) for m in maps}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, dashboard in dashboards().items():
        yield from ((f"{name}: {panel['title']}", panel) for panel in dashboard["panels"])


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of rules and panels, with where it stands; variables have values."""
    yield from ((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules())
    for place, panel in panels():
        for target in panel["targets"]:
            yield place, with_values(target["expr"])


def with_values(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Labels:
    return {**of_refrain(monkeypatch), **OF_RAY, **OF_KUBERAY, **OF_PROMETHEUS, **recorded()}


def test_there_is_a_dashboard_for_each_side() -> None:
    """The component ships three dashboards, each with a name and panels of its own."""
    assert {dashboard["uid"] for dashboard in dashboards().values()} == {
        "refrain-ingest",
        "refrain-serve",
        "refrain-stores",
    }
    for dashboard in dashboards().values():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids)) > 5


def test_panels_do_not_overlap() -> None:
    """No two panels of a dashboard lie over each other or beyond Grafana's 24 columns."""
    for dashboard in dashboards().values():
        cells = [
            (place["x"] + x, place["y"] + y)
            for place in (panel["gridPos"] for panel in dashboard["panels"])
            for x in range(place["w"])
            for y in range(place["h"])
        ]
        assert len(cells) == len(set(cells))
        assert all(x < 24 for x, _ in cells)


def test_expressions_ask_for_figures_that_exist(figures: Labels) -> None:
    """Every figure that a rule or panel names is exported, and has the labels it is selected by."""
    for place, expression in expressions():
        for name, labels in asked(expression):
            assert name in figures, (place, name)
            assert labels <= figures[name] | OF_THE_SCRAPE, (place, name)


def test_expressions_group_by_labels_that_exist(figures: Labels) -> None:
    """Every label that is grouped or joined by, or stands in a legend, is one of the figures of that expression."""
    legends = {with_values(t["expr"]): LEGEND.findall(t["legendFormat"]) for _, p in panels() for t in p["targets"]}
    for place, expression in expressions():
        present = OF_THE_SCRAPE.union(*(figures[name] for name, _ in asked(expression)))
        assert grouped(expression) | set(legends.get(expression, ())) <= present, place


def test_variables_are_asked_of_figures_that_exist(figures: Labels) -> None:
    """A dashboard's variables are values of labels of exported figures, and every one that panels use is declared."""
    for dashboard in dashboards().values():
        declared = {f"${variable['name']}" for variable in dashboard["templating"]["list"]}
        used = set(re.findall(r"\$(?!__)\w+", str([panel["targets"] for panel in dashboard["panels"]])))
        assert used <= declared
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.+), (\w+)\)", with_values(variable["query"]["query"]))
                assert found
                for name, labels in asked(found[1]):
                    assert labels | {found[2]} <= figures[name] | OF_THE_SCRAPE


def test_prometheus_can_read_every_panel(tmp_path: Path) -> None:
    """Prometheus' own tool parses every expression of the dashboards."""
    made = [{"record": f"panel:{i}", "expr": expr} for i, (_, expr) in enumerate(expressions())]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    promtool("check", "rules", path)


def test_ray_exports_what_is_listed() -> None:
    """The installed Ray names every figure of its own that is used."""
    root = Path(ray.__file__).parent
    files = [
        path
        for each in RAY_SOURCES
        for path in ([root / each] if (root / each).is_file() else (root / each).rglob("*.py"))
    ]
    source = "".join(path.read_text(encoding="utf-8") for path in files).replace("{protocol_name}", "http")
    for name in OF_RAY:
        plain = name.removeprefix("ray_").removesuffix("_total")
        assert re.search(rf"\b(ray_)?{plain}(_total)?\b", source), name
