"""NetworkPolicies read as a packet filter, held against what the base says in words."""

import pytest

from tests.repository.kubernetes import of_kind
from tests.system.policies import ruleset

INGEST, SERVE = {"app.kubernetes.io/name": "refrain-ingest"}, {"app.kubernetes.io/name": "refrain-serve"}
OPERATOR, CLIENT = {"app.kubernetes.io/name": "kuberay-operator"}, {"refrain-client": "true"}
PODS = {"10.0.0.1": INGEST, "10.0.0.2": INGEST, "10.0.0.3": SERVE, "10.0.0.4": OPERATOR, "10.0.0.5": CLIENT}


def accepted(labels: dict[str, str], chain: str) -> set[str]:
    """What the base's policies let a pod with these labels take in, or send."""
    (line,) = [
        line
        for line in ruleset(labels, PODS, of_kind("k8s/base", "NetworkPolicy")).splitlines()
        if line.startswith(f"chain {chain} ")
    ]
    assert "policy drop" in line
    rules = [rule.strip() for rule in line.partition("accept;")[2].split(";")]
    return {rule for rule in rules if rule.startswith(("ip ", "tcp ", "udp "))}


def test_a_job_hears_its_own_nodes_and_the_operator() -> None:
    """Every port of its own cluster, the dashboard and proxies for the operator, and nobody of the service."""
    operator = {f"ip saddr {{ 10.0.0.4 }} tcp dport {port} accept" for port in (8265, 8000)}
    assert accepted(INGEST, "input") == {"ip saddr { 10.0.0.1, 10.0.0.2 } accept", *operator}


def test_the_service_hears_its_callers() -> None:
    """Clients reach the proxies and nothing else."""
    assert "ip saddr { 10.0.0.5 } tcp dport 8000 accept" in accepted(SERVE, "input")
    assert not [rule for rule in accepted(SERVE, "input") if "10.0.0.5" in rule and "8000" not in rule]


@pytest.mark.parametrize(("labels", "own"), [(INGEST, "10.0.0.1, 10.0.0.2"), (SERVE, "10.0.0.3")])
def test_both_ask_the_stores(labels: dict[str, str], own: str) -> None:
    """Out go what is for their own cluster, and the stores' ports to any address."""
    stores = {f"tcp dport {port} accept" for port in (19530, 3306, 443)}
    assert accepted(labels, "output") == {f"ip daddr {{ {own} }} accept", *stores}


def test_others_hear_and_say_nothing() -> None:
    """A pod that no policy names is alone."""
    assert not accepted({}, "input") and not accepted({}, "output")
