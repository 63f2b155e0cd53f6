"""What KubeRay 1.7's operator, or Kueue, refuses although the schemas allow it: complaints about one object."""

import re
from collections.abc import Iterator

from tests.repository.kubernetes import Manifest, cluster_spec

LONGEST_NAME = 47  # the operator appends to it, and a label ends at 63
OFF_BY_DEFAULT = {"RayCronJob"}
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def complaints(manifest: Manifest) -> list[str]:
    """Every rule the RayJob, RayService or RayCronJob breaks; empty if the operator would take it."""
    if manifest["kind"] in OFF_BY_DEFAULT:
        return [f"{manifest['kind']} is feature-gated and off by default"]
    found = [*_name(manifest), *_cluster(cluster_spec(manifest)), *_memory(cluster_spec(manifest)), *_queue(manifest)]
    found += _job(manifest["spec"]) if manifest["kind"] == "RayJob" else _service(manifest["spec"])
    return found


def _name(manifest: Manifest) -> Iterator[str]:
    name = manifest["metadata"]["name"]
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) or len(name) > LONGEST_NAME:
        yield f"name {name!r} is no DNS-1035 label of at most {LONGEST_NAME} characters"


def _queue(manifest: Manifest) -> Iterator[str]:
    if QUEUE_LABEL not in manifest["metadata"].get("labels", {}):
        return
    if cluster_spec(manifest).get("enableInTreeAutoscaling"):
        yield "Kueue takes no job whose cluster scales by itself"
    if not manifest["spec"].get("shutdownAfterJobFinishes"):
        yield "Kueue takes no job whose cluster outlives it"


def _memory(cluster: Manifest) -> Iterator[str]:
    """What the head remembers elsewhere, and how it is told where."""
    head = cluster["headGroupSpec"]
    environment = {variable["name"] for variable in head["template"]["spec"]["containers"][0].get("env", [])}
    if {"redis-password", "redis-username"} & head["rayStartParams"].keys():
        yield "rayStartParams hold no redis-…: gcsFaultToleranceOptions does"
    if {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME"} & environment:
        yield "the head's environment holds no …REDIS…: gcsFaultToleranceOptions does"
    if "RAY_enable_autoscaler_v2" in environment:
        yield "autoscalerOptions.version chooses the autoscaler, not RAY_enable_autoscaler_v2"


def _job(spec: Manifest) -> Iterator[str]:
    ends = bool(spec.get("shutdownAfterJobFinishes"))
    rules = bool(spec.get("deletionStrategy", {}).get("deletionRules"))
    mode = spec.get("submissionMode", "K8sJobMode")
    if ends and rules:
        yield "shutdownAfterJobFinishes and deletionStrategy.deletionRules exclude each other"
    if spec.get("ttlSecondsAfterFinished", 0) > 0 and not ends:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if spec.get("suspend") and not ends:
        yield "suspend needs shutdownAfterJobFinishes"
    if spec.get("suspend") and "clusterSelector" in spec:
        yield "a job on a cluster of others cannot be suspended"
    if spec.get("backoffLimit", 0) > 0 and ("clusterSelector" in spec or mode == "InteractiveMode"):
        yield "backoffLimit goes neither with clusterSelector nor with InteractiveMode"
    if mode == "SidecarMode":
        yield from _sidecar(spec)


def _sidecar(spec: Manifest) -> Iterator[str]:
    if "submitterPodTemplate" in spec or "submitterConfig" in spec:
        yield "SidecarMode forbids submitterPodTemplate and submitterConfig"
    if _restarts(cluster_spec({"kind": "RayJob", "spec": spec})["headGroupSpec"]):
        yield "SidecarMode wants the head's restartPolicy Never or unset"


def _service(spec: Manifest) -> Iterator[str]:
    cluster = cluster_spec({"kind": "RayService", "spec": spec})
    if "headService" in cluster["headGroupSpec"]:
        yield "a RayService must not name its headService"
    strategy = spec.get("upgradeStrategy", {}).get("type")
    if strategy == "NewClusterWithIncrementalUpgrade" and not cluster.get("enableInTreeAutoscaling"):
        yield "an incremental upgrade needs autoscaling"


def _cluster(cluster: Manifest) -> Iterator[str]:
    workers = cluster.get("workerGroupSpecs", [])
    second_autoscaler = cluster.get("autoscalerOptions", {}).get("version") == "v2"
    if cluster.get("authOptions", {}).get("mode") == "token" and "rayVersion" not in cluster:
        yield "authOptions.mode=token needs rayVersion"
    if "networkPolicy" in cluster:
        yield "spec.networkPolicy is feature-gated and off by default"
    if second_autoscaler and any(map(_restarts, [cluster["headGroupSpec"], *workers])):
        yield "autoscaler v2 wants restartPolicy Never or unset on head and workers"
    for group in workers:
        if "minReplicas" not in group or "maxReplicas" not in group:
            yield f"group {group['groupName']}: minReplicas and maxReplicas must both be set"
        elif group["minReplicas"] > group["maxReplicas"]:
            yield f"group {group['groupName']}: minReplicas is above maxReplicas"
        if not second_autoscaler and {"idleTimeoutSeconds", "priority"} & group.keys():
            yield f"group {group['groupName']}: idleTimeoutSeconds and priority need autoscaler v2"


def _restarts(group: Manifest) -> bool:
    return group["template"]["spec"].get("restartPolicy", "Never") != "Never"
