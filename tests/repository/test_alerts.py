"""Rules and alerts: Prometheus accepts them, each fires when it should and only then, and each says what to do."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.meter import BUCKETS_MS
from tests.repository.kubernetes import of_kind
from tests.repository.paths import ROOT
from tests.repository.prometheus import alerts, groups, promtool, rules, write_rules

CASES = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
SEVERITIES = {"critical", "warning"}
HEADING = re.compile(r"^#{3} (Refrain\w+)$", flags=re.MULTILINE)


def expectations() -> list[dict[str, Any]]:
    """What the cases say of alerts at some moment."""
    tests = [test for path in CASES for test in yaml.safe_load(path.read_text())["tests"]]
    return [expectation for test in tests for expectation in test["alert_rule_test"]]


def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    """Prometheus' own tool parses every expression and every template, and finds no rule twice."""
    write_rules(tmp_path / "rules.yaml")
    promtool("check", "rules", "--lint-fatal", tmp_path / "rules.yaml")
    names = [rule.get("alert") or rule["record"] for rule in rules()]
    assert len(names) == len(set(names))
    assert len({group["name"] for group in groups()}) == len(groups())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(case: Path, tmp_path: Path) -> None:
    """Fed with figures of trouble and of none, each alert fires for the one and not for the other."""
    write_rules(tmp_path / "rules.yaml", without=("annotations",))
    promtool("test", "rules", shutil.copy(case, tmp_path))


def test_every_alert_has_both_cases() -> None:
    """For each alert it is tried that it fires and that it does not."""
    fires = {expected["alertname"] for expected in expectations() if expected["exp_alerts"]}
    silent = {expected["alertname"] for expected in expectations() if not expected["exp_alerts"]}
    assert fires == silent == alerts().keys()


def test_alerts_speak_of_labels_they_have() -> None:
    """Every label that a summary or a description names is one of the alert when it fires."""
    labels = {
        expected["alertname"]: fired["exp_labels"].keys()
        for expected in expectations()
        for fired in expected["exp_alerts"]
    }
    for name, alert in alerts().items():
        assert set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"]))) <= labels[name], name


def test_every_alert_says_what_to_do() -> None:
    """Each has a severity, says what is wrong and what it means, and points to its section of the operations manual."""
    told = HEADING.findall((ROOT / "docs" / "operations.md").read_text())
    assert sorted(told) == sorted(alerts())
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in SEVERITIES
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"


def test_the_last_counts_of_a_job_are_scraped() -> None:
    """Nodes, whose pages keep what the job counted, stay after it for ten scrapes or more."""
    (job,) = of_kind("k8s/base", "RayJob")
    endpoints = [
        each for monitor in of_kind("k8s/base", "PodMonitor") for each in monitor["spec"]["podMetricsEndpoints"]
    ]
    slowest_s = max(int(endpoint["interval"].removesuffix("s")) for endpoint in endpoints)
    assert job["spec"]["ttlSecondsAfterFinished"] >= 10 * slowest_s


def test_the_objective_is_a_bound_of_the_histogram() -> None:
    """The share of slow answers is read at a bound that the service counts by."""
    bounds = {bound for rule in rules() for bound in re.findall(r'le=~"(\d+)', rule["expr"])}
    assert bounds and {float(bound) for bound in bounds} <= set(BUCKETS_MS)
