"""k8s/ renders, validates strictly, keeps the operator's unwritten rules, and names things that exist."""

import copy
import importlib
import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from conf import compose
from ingest.config import IngestConfig
from tests.repository import serve_config
from tests.repository.kubernetes import LAYERS, Manifest, cluster_spec, of_kind, pod_specs, rendered, validate
from tests.repository.operator_rules import complaints
from tests.repository.paths import ROOT
from tests.repository.test_packaging import PROJECT, names, pins

RAY_KINDS = ("RayJob", "RayService")
OURS = f"refrain:{PROJECT['version']}"
FROM_OUTSIDE = {("Secret", "refrain-credentials"), ("Secret", "refrain-keys")}

every_layer = pytest.mark.parametrize("layer", LAYERS)


def invalid(manifest: Manifest) -> bool:
    try:
        validate(manifest)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError):
        return True
    return False


def first(kind: str, layer: str = "k8s/base") -> Manifest:
    return copy.deepcopy(of_kind(layer, kind)[0])


def test_every_layer_is_known() -> None:
    """The layers under test are all the kustomizations there are."""
    found = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "k8s").rglob("kustomization.yaml")}
    assert found == set(LAYERS)


@every_layer
def test_a_layer_validates_strictly(layer: str) -> None:
    """Every object of the layer has only keys its schema knows, with the right types."""
    for manifest in rendered(layer):
        validate(manifest)


@pytest.mark.parametrize("kind", [*RAY_KINDS, "Deployment", "Service", "PersistentVolumeClaim", "ServiceAccount"])
def test_a_misspelt_key_is_an_error(kind: str) -> None:
    """One wrong letter in a key, at the top or inside a pod, and the object is refused."""
    assert not invalid(first(kind, "k8s/overlays/dev"))
    misspelt = first(kind, "k8s/overlays/dev")
    misspelt["metdata"] = {}
    inside = first(kind, "k8s/overlays/dev")
    pods = [pod for _, pod in pod_specs(inside)]
    for pod in pods:
        pod["containers"][0]["imagePullPolice"] = "Always"
    assert invalid(misspelt) and (invalid(inside) or not pods)


@every_layer
def test_the_operator_would_take_it(layer: str) -> None:
    """RayJob and RayService keep the rules of KubeRay's operator that no schema holds."""
    manifests = of_kind(layer, *RAY_KINDS, "RayCronJob")
    assert {manifest["kind"] for manifest in manifests} == set(RAY_KINDS)
    assert not [line for manifest in manifests for line in complaints(manifest)]


def group(manifest: Manifest) -> Manifest:
    first_group: Manifest = cluster_spec(manifest)["workerGroupSpecs"][0]
    return first_group


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


@every_layer
def test_ray_is_one_version(layer: str) -> None:
    """Manifests name the Ray version that the image installs."""
    (pinned,) = [line for line in pins("k8s/requirements.lock") if re.match(r"ray(\[.*\])?==", line)]
    version = pinned.split("==")[1].split()[0]
    assert {cluster_spec(manifest)["rayVersion"] for manifest in of_kind(layer, *RAY_KINDS)} == {version}


@every_layer
def test_ray_runs_only_our_image(layer: str) -> None:
    """Every pod of the job and of the service, the submitter included, runs the image of this version."""
    images = {
        container["image"]
        for manifest in of_kind(layer, *RAY_KINDS)
        for _, pod in pod_specs(manifest)
        for container in pod["containers"]
    }
    assert images == {OURS}


@every_layer
def test_every_pod_is_confined(layer: str) -> None:
    """No pod runs as root, writes to its root file system, gains privileges or holds a Kubernetes token."""
    for manifest in rendered(layer):
        for place, pod in pod_specs(manifest):
            assert pod["securityContext"]["runAsNonRoot"] is True, place
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, place
            assert pod["automountServiceAccountToken"] is False, place
            for container in pod["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, place


@every_layer
def test_memory_is_promised_in_full(layer: str) -> None:
    """Every container asks for CPU and for all the memory it may use: nobody is evicted for a neighbour's growth."""
    for manifest in rendered(layer):
        for place, pod in pod_specs(manifest):
            for container in pod["containers"]:
                requests, limits = (container["resources"][side] for side in ("requests", "limits"))
                assert requests["memory"] == limits["memory"], place
                assert "cpu" in requests, place


@every_layer
def test_the_head_does_no_work_for_ray(layer: str) -> None:
    """No task lands beside the head's own processes."""
    for manifest in of_kind(layer, *RAY_KINDS):
        assert cluster_spec(manifest)["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def references(manifest: Manifest) -> set[tuple[str, str]]:
    """Kind and name of everything that the object's pods need beside them."""
    kinds = {
        "configMapRef": ("ConfigMap", "name"),
        "secretRef": ("Secret", "name"),
        "secretKeyRef": ("Secret", "name"),
        "secret": ("Secret", "secretName"),
        "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    }
    found = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                if key in kinds and isinstance(child, dict):
                    kind, name = kinds[key]
                    found.add((kind, child[name]))
                if key == "serviceAccountName":
                    found.add(("ServiceAccount", child))
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(manifest)
    return found


@every_layer
def test_whatever_a_pod_needs_is_there(layer: str) -> None:
    """Every account, map and volume referred to is in the layer; only credentials and keys come from outside."""
    present = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered(layer)}
    wanted = set().union(*map(references, rendered(layer)))
    assert wanted - present == FROM_OUTSIDE
    assert not of_kind(layer, "Secret")


@every_layer
def test_volumes_and_mounts_match(layer: str) -> None:
    """Every mount names a volume of its pod, and every volume is mounted."""
    for manifest in rendered(layer):
        for place, pod in pod_specs(manifest):
            mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
            assert mounts == {volume["name"] for volume in pod["volumes"]}, place


@every_layer
def test_the_serve_configuration_is_one_ray_understands(layer: str) -> None:
    """serveConfigV2 has only keys that Ray knows, and listens where KubeRay's Service looks."""
    (service,) = of_kind(layer, "RayService")
    config = serve_config.parse(service["spec"]["serveConfigV2"])
    assert (config.http_options.host, config.http_options.port) == ("0.0.0.0", 8000)
    assert [application.name for application in config.applications] == ["refrain"]


@pytest.mark.parametrize(
    ("known", "misspelt"),
    [("http_options:", "http_option:"), ("port:", "prot:"), ("import_path:", "import_paht:")],
)
def test_a_misspelt_serve_key_is_an_error(known: str, misspelt: str) -> None:
    """One wrong letter inside serveConfigV2, which Ray itself would pass over, is refused."""
    text = first("RayService")["spec"]["serveConfigV2"].replace(known, misspelt)
    with pytest.raises(ValueError, match=misspelt.rstrip(":")):
        serve_config.parse(text)


@every_layer
def test_the_entrypoint_survives_the_submitter(layer: str) -> None:
    """The job is `python -m ingest`, treats rejects as no failure, and holds nothing a shell would change."""
    (job,) = of_kind(layer, "RayJob")
    words = job["spec"]["entrypoint"].split(" ")
    assert words[:3] == ["python", "-m", "ingest"]
    assert "on_rejects=exit0" in words
    assert all(re.fullmatch(r"[\w.:/@+=-]+", word) for word in words)


@every_layer
def test_the_entrypoint_is_a_configuration(layer: str) -> None:
    """The job's options compose: none is misspelt, and job and service speak to the same stores."""
    (job,), (service,) = of_kind(layer, "RayJob"), of_kind(layer, "RayService")
    config = compose("ingest", job["spec"]["entrypoint"].split(" ")[3:], IngestConfig)
    (application,) = serve_config.parse(service["spec"]["serveConfigV2"]).applications
    assert (config.vectors.kind, config.metadata.kind, config.on_rejects) == ("milvus", "mysql", "exit0")
    assert application.args["vectors.uri"] == config.vectors.uri
    assert application.args["metadata.url"] == config.metadata.url


@every_layer
def test_the_service_wants_keys(layer: str) -> None:
    """The file of keys lies where the Secret is mounted, in every pod of the service."""
    (service,) = of_kind(layer, "RayService")
    (application,) = serve_config.parse(service["spec"]["serveConfigV2"]).applications
    folder = application.args["keys_file"].rpartition("/")[0]
    for place, pod in pod_specs(service):
        (volume,) = [volume["name"] for volume in pod["volumes"] if "secret" in volume]
        for container in pod["containers"]:
            assert {"name": volume, "mountPath": folder, "readOnly": True} in container["volumeMounts"], place


@every_layer
def test_the_service_builds_from_its_arguments(layer: str) -> None:
    """The import path names a function that makes the application of these very arguments."""
    (service,) = of_kind(layer, "RayService")
    (application,) = serve_config.parse(service["spec"]["serveConfigV2"]).applications
    module, _, function = application.import_path.partition(":")
    assert getattr(importlib.import_module(module), function)(application.args)


def test_milvus_lite_is_in_the_image() -> None:
    """The development overlay starts Milvus Lite from our image, which has it."""
    assert "milvus-lite" in names("k8s/requirements.lock")
