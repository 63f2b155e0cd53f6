"""RayJob and RayService keep the rules of KubeRay's operator, and of Kueue, that no schema holds."""

import copy
from typing import Any

import pytest

from tests.repository.kubernetes import RAY_KINDS, Manifest, cluster_spec, every_installation, of_kind
from tests.repository.operator_rules import QUEUE_LABEL, complaints


def first(kind: str) -> Manifest:
    return copy.deepcopy(of_kind("k8s/base", kind)[0])


@every_installation
def test_the_operator_would_take_it(layer: str) -> None:
    """The job and the service of every installation give no cause for a complaint."""
    manifests = of_kind(layer, *RAY_KINDS, "RayCronJob")
    assert {manifest["kind"] for manifest in manifests} == set(RAY_KINDS)
    assert not [line for manifest in manifests for line in complaints(manifest)]


def group(manifest: Manifest) -> Manifest:
    first_group: Manifest = cluster_spec(manifest)["workerGroupSpecs"][0]
    return first_group


def head(manifest: Manifest) -> Manifest:
    group: Manifest = cluster_spec(manifest)["headGroupSpec"]
    return group


def head_environment(manifest: Manifest, name: str) -> None:
    head(manifest)["template"]["spec"]["containers"][0]["env"] = [{"name": name, "value": "true"}]


def queued(manifest: Manifest, node: Manifest, **changed: bool) -> None:
    manifest["metadata"]["labels"][QUEUE_LABEL] = "refrain"
    node.update(changed)


RULES: list[tuple[str, str, Any]] = [
    ("RayJob", "exclude each other", lambda m: m["spec"].update(deletionStrategy={"deletionRules": [{}]})),
    ("RayJob", "ttlSecondsAfterFinished needs", lambda m: m["spec"].pop("shutdownAfterJobFinishes")),
    ("RayJob", "suspend needs", lambda m: m["spec"].update(suspend=True, shutdownAfterJobFinishes=False)),
    ("RayJob", "backoffLimit goes", lambda m: m["spec"].update(submissionMode="InteractiveMode")),
    ("RayJob", "backoffLimit goes", lambda m: m["spec"].update(clusterSelector={"ray.io/cluster": "x"})),
    ("RayJob", "SidecarMode forbids", lambda m: m["spec"].update(submissionMode="SidecarMode")),
    ("RayJob", "DNS-1035", lambda m: m["metadata"].update(name="7-days")),
    ("RayJob", "DNS-1035", lambda m: m["metadata"].update(name="a" * 48)),
    ("RayService", "headService", lambda m: cluster_spec(m)["headGroupSpec"].update(headService={})),
    (
        "RayService",
        "incremental upgrade",
        lambda m: m["spec"].update(upgradeStrategy={"type": "NewClusterWithIncrementalUpgrade"}),
    ),
    ("RayService", "networkPolicy", lambda m: cluster_spec(m).update(networkPolicy={})),
    ("RayService", "must both be set", lambda m: group(m).pop("minReplicas")),
    ("RayService", "is above", lambda m: group(m).update(minReplicas=9, maxReplicas=1)),
    ("RayService", "need autoscaler v2", lambda m: group(m).update(priority=1)),
    ("RayService", "needs rayVersion", lambda m: cluster_spec(m).pop("rayVersion")),
    ("RayService", "hold no redis", lambda m: head(m)["rayStartParams"].update({"redis-password": "x"})),
    ("RayService", "holds no …REDIS…", lambda m: head_environment(m, "REDIS_PASSWORD")),
    ("RayService", "not RAY_enable", lambda m: head_environment(m, "RAY_enable_autoscaler_v2")),
    (
        "RayJob",
        "cannot be suspended",
        lambda m: m["spec"].update(suspend=True, clusterSelector={"ray.io/cluster": "x"}),
    ),
    ("RayJob", "scales by itself", lambda m: queued(m, cluster_spec(m), enableInTreeAutoscaling=True)),
    ("RayJob", "outlives it", lambda m: queued(m, m["spec"], shutdownAfterJobFinishes=False)),
]


@pytest.mark.parametrize(("kind", "complaint", "spoil"), RULES)
def test_each_rule_of_the_operator_bites(kind: str, complaint: str, spoil: Any) -> None:
    """A sound object that is made to break one rule gets that complaint."""
    manifest = first(kind)
    spoil(manifest)
    assert any(complaint in line for line in complaints(manifest))


def test_restart_policies_are_watched() -> None:
    """A pod that restarts is refused under SidecarMode (head) and under the second autoscaler (workers)."""
    job = first("RayJob")
    job["spec"]["submissionMode"] = "SidecarMode"
    cluster_spec(job)["headGroupSpec"]["template"]["spec"]["restartPolicy"] = "Always"
    assert any("the head's restartPolicy" in line for line in complaints(job))
    service = first("RayService")
    cluster_spec(service)["autoscalerOptions"] = {"version": "v2"}
    group(service)["template"]["spec"]["restartPolicy"] = "Always"
    assert any("autoscaler v2 wants" in line for line in complaints(service))


def test_a_cron_job_is_refused() -> None:
    """RayCronJob is off by default in the operator, so no layer may use it."""
    assert complaints({"kind": "RayCronJob"})
