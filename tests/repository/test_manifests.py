"""What every installation promises: one version, nothing privileged, names that exist, pods that selectors find."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from ray.scripts.scripts import start

from tests.repository.kubernetes import (
    INSTALLATIONS,
    LAYERS,
    RAY_KINDS,
    Manifest,
    cluster_spec,
    containers,
    every_installation,
    every_layer,
    named,
    of_kind,
    pod_specs,
    pods,
    rendered,
)
from tests.repository.test_packaging import PROJECT, version_of

OURS = f"refrain:{PROJECT['version']}"
FROM_OUTSIDE = {("Secret", "refrain-credentials"), ("Secret", "refrain-keys"), ("Secret", "refrain-redis")}
OF_KUBERNETES = {("ConfigMap", "kube-root-ca.crt")}
OF_NO_NAMESPACE = {"Namespace", "ClusterQueue", "ResourceFlavor"}
REFERENCES = {
    "configMapRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
    "secret": ("Secret", "secretName"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}


@every_installation
def test_ray_is_one_version(layer: str) -> None:
    """Manifests name the Ray version that the image installs."""
    versions = {cluster_spec(manifest)["rayVersion"] for manifest in of_kind(layer, *RAY_KINDS)}
    assert versions == {version_of("ray")}


@every_layer
def test_every_image_is_pinned(layer: str) -> None:
    """Ours has the project's version; all are named without a registry's host, by a version and no moving tag."""
    images = {container["image"] for _, _, container in containers(layer) if "image" in container}
    ours = {image for image in images if image.startswith("refrain")}
    assert ours in ({OURS}, set())
    assert all(re.fullmatch(r"([a-z0-9-]+/)?[a-z0-9-]+:v?[\w.-]*\d[\w.-]*", image) for image in images)
    ray = {
        c["image"]
        for manifest in of_kind(layer, *RAY_KINDS)
        for _, pod in pod_specs(manifest)
        for c in pod["containers"]
    }
    assert ray in ({OURS}, set())


@every_layer
def test_every_pod_is_confined(layer: str) -> None:
    """No container runs as root, writes to its root or gains privileges; only the nightly pod holds a token."""
    for place, pod, container in containers(layer):
        assert pod["securityContext"]["runAsNonRoot"] is True, place
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, place
        assert pod["automountServiceAccountToken"] is place.endswith(".nightly"), place
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, place


@every_layer
def test_only_the_autoscaler_sees_the_token_of_a_head(layer: str) -> None:
    """The volume with a token of the Kubernetes API is mounted by no container that runs our code."""
    for place, pod, container in containers(layer):
        tokens = {volume["name"] for volume in pod.get("volumes", []) if "serviceAccountToken" in str(volume)}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert (tokens <= mounted) if place.endswith("autoscaler") else not tokens & mounted, place


@every_layer
def test_memory_is_promised_in_full(layer: str) -> None:
    """Every container asks for CPU and for all the memory it may use: nobody is evicted for a neighbour's growth."""
    for place, _, container in containers(layer):
        requests, limits = (container["resources"][side] for side in ("requests", "limits"))
        assert requests["memory"] == limits["memory"], place
        assert "cpu" in requests, place


@every_layer
def test_servers_are_probed(layer: str) -> None:
    """Every server that is not Ray's says whether it is up; KubeRay adds the probes of Ray's containers."""
    for manifest in of_kind(layer, "Deployment", "StatefulSet"):
        for place, pod in pod_specs(manifest):
            for container in pod["containers"]:
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), place


@every_installation
def test_workers_leave_in_good_order(layer: str) -> None:
    """A worker that is terminated tells Ray first, and has the time to end what it works on."""
    for manifest in of_kind(layer, *RAY_KINDS):
        for group in cluster_spec(manifest)["workerGroupSpecs"]:
            pod = group["template"]["spec"]
            (*_, command) = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
            waits = re.fullmatch(r"ray drain-node .* --deadline-remaining-seconds (\d+); sleep \1", command)
            assert waits and int(waits[1]) < pod["terminationGracePeriodSeconds"]


@every_installation
def test_the_head_does_no_work_for_ray(layer: str) -> None:
    """No task lands beside the head's own processes."""
    for manifest in of_kind(layer, *RAY_KINDS):
        assert cluster_spec(manifest)["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@every_installation
def test_ray_start_knows_its_options(layer: str) -> None:
    """Every rayStartParam is an option of `ray start`, which the schema leaves open."""
    known = {option.removeprefix("--") for parameter in start.params for option in parameter.opts}
    for manifest in of_kind(layer, *RAY_KINDS):
        spec = cluster_spec(manifest)
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            assert set(group["rayStartParams"]) <= known


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that pods need beside them."""
    if isinstance(node, dict):
        for key, child in node.items():
            if key in REFERENCES and isinstance(child, dict) and REFERENCES[key][1] in child:
                yield REFERENCES[key][0], child[REFERENCES[key][1]]
            if key == "serviceAccountName":
                yield "ServiceAccount", child
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


@every_layer
def test_whatever_a_pod_needs_is_there(layer: str) -> None:
    """Every account, map and volume referred to is in the layer; only Secrets come from outside, never from git."""
    present = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered(layer)}
    wanted = {reference for manifest in rendered(layer) for reference in references(manifest)}
    assert wanted - present <= FROM_OUTSIDE | OF_KUBERNETES
    assert not of_kind(layer, "Secret")
    external = {("Secret", manifest["spec"]["target"]["name"]) for manifest in of_kind(layer, "ExternalSecret")}
    assert not external or external >= (wanted & FROM_OUTSIDE)


@every_layer
def test_volumes_and_mounts_match(layer: str) -> None:
    """Every mount names a volume of its pod, and every volume is mounted."""
    of_claims = {
        c["metadata"]["name"] for m in of_kind(layer, "StatefulSet") for c in m["spec"]["volumeClaimTemplates"]
    }
    mounts: dict[int, set[str]] = {}
    volumes: dict[int, set[str]] = {}
    for _, pod, container in containers(layer):
        mounts.setdefault(id(pod), set()).update(mount["name"] for mount in container["volumeMounts"])
        volumes[id(pod)] = {volume["name"] for volume in pod.get("volumes", [])}
    assert {pod: names - of_claims for pod, names in mounts.items()} == volumes


def selectors(manifest: Manifest) -> Iterator[Manifest]:
    """The label selectors by which an object finds pods of its own namespace."""
    if manifest["kind"] == "Service":
        yield {"matchLabels": manifest["spec"]["selector"]}
    if manifest["kind"] in ("PodMonitor", "PodDisruptionBudget"):
        yield manifest["spec"]["selector"]
    if manifest["kind"] == "NetworkPolicy":
        yield manifest["spec"]["podSelector"]
        for rule in [*manifest["spec"].get("ingress", []), *manifest["spec"].get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"]


def demands(selector: Manifest) -> Iterator[tuple[str, str]]:
    """Each label and value of it that the selector hopes to find on some pod."""
    yield from selector.get("matchLabels", {}).items()
    for expression in selector.get("matchExpressions", []):
        yield from ((expression["key"], value) for value in expression["values"])


@every_installation
def test_selectors_find_pods(layer: str) -> None:
    """Every label that a Service, a policy, a budget or a monitor asks for is on a pod: none is misspelt."""
    labels = [pod["metadata"]["labels"] for manifest in rendered(layer) for _, pod in pods(manifest)]
    for manifest in rendered(layer):
        for selector in selectors(manifest):
            for key, value in demands(selector):
                assert any(of_pod.get(key) == value for of_pod in labels), (manifest["metadata"]["name"], key, value)


@every_installation
def test_nobody_speaks_unasked(layer: str) -> None:
    """One policy denies everything to every pod, and no other opens a pod to the whole world from outside."""
    deny = named(layer, "NetworkPolicy", "refrain-default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in of_kind(layer, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            assert all(peer.get("podSelector") or peer.get("namespaceSelector") for peer in rule["from"])


@every_installation
def test_named_ports_exist(layer: str) -> None:
    """Monitors, Services and probes name ports that the pods have."""
    ports = {port["name"] for _, _, c in containers(layer) for port in c.get("ports", [])}
    monitored = {
        end["port"] for monitor in of_kind(layer, "PodMonitor") for end in monitor["spec"]["podMetricsEndpoints"]
    }
    targets = {port["targetPort"] for service in of_kind(layer, "Service") for port in service["spec"]["ports"]}
    assert monitored | targets <= ports


@every_installation
def test_budgets_are_numbers_that_must_stay(layer: str) -> None:
    """Kubernetes knows no size of a Ray cluster: shares and maxUnavailable would stop every drain."""
    budgets = of_kind(layer, "PodDisruptionBudget")
    assert budgets and all(isinstance(budget["spec"]["minAvailable"], int) for budget in budgets)


@every_layer
def test_names_are_short(layer: str) -> None:
    """Every name is a DNS label that others may be made from; what Ray and CronJobs append fits behind it."""
    for manifest in rendered(layer):
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])
        assert len(manifest["metadata"]["name"]) <= 47


@every_layer
def test_only_what_has_a_namespace_gets_one(layer: str) -> None:
    """Objects of the whole cluster carry no namespace, all others that of the installation."""
    namespaces = {m["metadata"].get("namespace") for m in rendered(layer) if m["kind"] not in OF_NO_NAMESPACE}
    assert not [m for m in rendered(layer) if m["kind"] in OF_NO_NAMESPACE and "namespace" in m["metadata"]]
    assert namespaces <= {namespace["metadata"]["name"] for namespace in of_kind(layer, "Namespace")} | {None}


def test_installations_share_a_cluster() -> None:
    """No two overlays install into one namespace."""
    overlays = [layer for layer in INSTALLATIONS if "overlays" in layer]
    assert len({of_kind(layer, "Namespace")[0]["metadata"]["name"] for layer in overlays}) == len(overlays)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if "kueue" in layer])
def test_the_quota_holds_the_queued_job(layer: str) -> None:
    """The queue that a LocalQueue names exists, and a queued job's whole cluster fits in a flavor of it."""
    (queue,) = of_kind(layer, "ClusterQueue")
    (local,) = of_kind("k8s/overlays/staging", "LocalQueue")
    (job,) = of_kind("k8s/overlays/staging", "RayJob")
    assert local["spec"]["clusterQueue"] == queue["metadata"]["name"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == local["metadata"]["name"]
    quota = {r["name"]: r["nominalQuota"] for r in queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"]}
    workers = cluster_spec(job)["workerGroupSpecs"]
    asked = sum(
        int(w["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]) * w["maxReplicas"] for w in workers
    )
    assert asked < int(quota["cpu"])
    assert queue["spec"]["namespaceSelector"]["matchLabels"].items() <= (
        of_kind("k8s/overlays/staging", "Namespace")[0]["metadata"]["labels"].items()
    )
