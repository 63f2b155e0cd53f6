"""Kustomize layers rendered as a cluster would get them, and what is checked about each object."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.repository.paths import ROOT

KUBERNETES = "1.33"
OLDEST_KUBECTL = (1, 21)
INSTALLATIONS = ("k8s/base", "k8s/overlays/dev", "k8s/overlays/staging", "k8s/overlays/prod")
LAYERS = (*INSTALLATIONS, "k8s/components/kueue/cluster", "conf")
SCHEMAS = Path(__file__).parent / "schemas"
RAY_KINDS = ("RayJob", "RayService")
Manifest = dict[str, Any]

every_layer = pytest.mark.parametrize("layer", LAYERS)
every_installation = pytest.mark.parametrize("layer", INSTALLATIONS)


@cache
def kubectl() -> str:
    """The kubectl to render with; fails the test where none is recent enough."""
    path = shutil.which("kubectl")
    wanted = "rendering k8s/ needs kubectl 1.21 or newer (Debian 13: apt-get install kubernetes-client)"
    if path is None:
        pytest.fail(f"{wanted}: none found")
    told = subprocess.run(
        [path, "version", "--client", "--output=json"], capture_output=True, text=True, check=True
    ).stdout
    version = re.search(r'"gitVersion": *"v(\d+)\.(\d+)', told)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_KUBECTL:
        pytest.fail(f"{wanted}: found {version[0] if version else told}")
    return path


@cache
def rendered(layer: str) -> tuple[Manifest, ...]:
    """Every object of one layer, as `kubectl kustomize` renders it."""
    process = subprocess.run([kubectl(), "kustomize", str(ROOT / layer)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert not process.stderr, f"kustomize warns: {process.stderr}"
    return tuple(yaml.safe_load_all(process.stdout))


def of_kind(layer: str, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in rendered(layer) if manifest["kind"] in kinds]


def named(layer: str, kind: str, name: str) -> Manifest:
    """The one object of that kind and name; a generated ConfigMap goes by its name without the hash."""
    (found,) = [m for m in of_kind(layer, kind) if re.sub(r"-[0-9a-z]{10}$", "", m["metadata"]["name"]) == name]
    return found


def schema_file(manifest: Manifest) -> Path:
    """Where the schema of a custom resource lies; Kubernetes' own kinds have none here."""
    return SCHEMAS / f"{manifest['kind'].lower()}-{manifest['apiVersion'].replace('/', '-')}.json.gz"


@cache
def custom_schema(path: Path) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(gzip.decompress(path.read_bytes())))


def validate(manifest: Manifest) -> None:
    """Check one object strictly: an unknown key, a wrong type or a missing one raises a ValidationError."""
    if not schema_file(manifest).exists():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        return
    custom_schema(schema_file(manifest)).validate(manifest)
    for metadata in [
        manifest["metadata"],
        *(pod["metadata"] for _, pod in pods(manifest)),
    ]:  # the definitions leave it open
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, KUBERNETES, strict=True
        )


def cluster_spec(manifest: Manifest) -> Manifest:
    """The Ray cluster that a RayJob or a RayService brings up."""
    key = {"RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}[manifest["kind"]]
    spec: Manifest = manifest["spec"][key]
    return spec


def pods(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Every pod template that the object gives rise to, with the place it is described in."""

    def walk(node: Any, place: str) -> Iterator[tuple[str, Manifest]]:
        if isinstance(node, dict):
            if isinstance(node.get("spec"), dict) and isinstance(node["spec"].get("containers"), list):
                yield place, node
            for key, child in node.items():
                yield from walk(child, f"{place}.{key}")
        elif isinstance(node, list):
            for index, child in enumerate(node):
                yield from walk(child, f"{place}[{index}]")

    yield from walk(manifest, f"{manifest['kind']}/{manifest['metadata']['name']}")


def pod_specs(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    return ((place, pod["spec"]) for place, pod in pods(manifest))


def containers(layer: str) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Place, pod and container of everything that a layer runs, and the autoscaler's, which the operator makes."""
    for manifest in rendered(layer):
        for place, pod in pod_specs(manifest):
            yield from ((f"{place}.{container['name']}", pod, container) for container in pod["containers"])
        if manifest["kind"] in RAY_KINDS and cluster_spec(manifest).get("enableInTreeAutoscaling"):
            spec = cluster_spec(manifest)
            yield f"{manifest['kind']}.autoscaler", spec["headGroupSpec"]["template"]["spec"], spec["autoscalerOptions"]
