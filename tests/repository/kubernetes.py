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
LAYERS = ("k8s/base", "k8s/overlays/dev")
Manifest = dict[str, Any]


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


@cache
def custom_schema(kind: str) -> jsonschema.Draft7Validator:
    path = Path(__file__).parent / "schemas" / f"{kind.lower()}-ray.io-v1.json.gz"
    return jsonschema.Draft7Validator(json.loads(gzip.decompress(path.read_bytes())))


def validate(manifest: Manifest) -> None:
    """Check one object strictly: an unknown key, a wrong type or a missing one raises a ValidationError."""
    if manifest["apiVersion"] == "ray.io/v1":
        custom_schema(manifest["kind"]).validate(manifest)
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def cluster_spec(manifest: Manifest) -> Manifest:
    """The Ray cluster that a RayJob or a RayService brings up."""
    key = {"RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}[manifest["kind"]]
    spec: Manifest = manifest["spec"][key]
    return spec


def pod_specs(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Every pod that the object gives rise to, with the place it is described in."""

    def walk(node: Any, place: str) -> Iterator[tuple[str, Manifest]]:
        if isinstance(node, dict):
            if isinstance(node.get("containers"), list):
                yield place, node
            for key, child in node.items():
                yield from walk(child, f"{place}.{key}")
        elif isinstance(node, list):
            for index, child in enumerate(node):
                yield from walk(child, f"{place}[{index}]")

    yield from walk(manifest, f"{manifest['kind']}/{manifest['metadata']['name']}")
