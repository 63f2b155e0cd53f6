"""The rules that an installation gives Prometheus, as its own tool reads them."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scripts.services import find_promtool
from tests.repository.kubernetes import of_kind

Rule = dict[str, Any]


@cache
def groups() -> tuple[Rule, ...]:
    """Every group of rules of the base, which all overlays share."""
    return tuple(group for manifest in of_kind("k8s/base", "PrometheusRule") for group in manifest["spec"]["groups"])


def rules() -> list[Rule]:
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> dict[str, Rule]:
    """Alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def write_rules(path: Path, without: tuple[str, ...] = ()) -> None:
    """As a file of Prometheus' own, rules without some of their keys."""
    plain = [
        {**group, "rules": [{k: v for k, v in rule.items() if k not in without} for rule in group["rules"]]}
        for group in groups()
    ]
    path.write_text(yaml.safe_dump({"groups": plain}), encoding="utf-8")


def promtool(*arguments: str | Path) -> str:
    """What it says; the test fails where it finds fault."""
    done = subprocess.run([find_promtool(), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
