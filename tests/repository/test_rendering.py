"""k8s/ renders and validates strictly: one wrong letter in a key anywhere is an error."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.repository.kubernetes import LAYERS, SCHEMAS, Manifest, every_layer, rendered, schema_file, validate
from tests.repository.paths import ROOT

# Keys that people choose, not schemas: other tests hold these against what they refer to.
FREE = {
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "data",
    "rayStartParams",
    "limits",
    "requests",
    "nodeLabels",
}
Path = tuple[str | int, ...]


def invalid(manifest: Manifest) -> bool:
    try:
        validate(manifest)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError, KeyError):  # no kind, no schema
        return True
    return False


def key_paths(node: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every key of an object that a schema knows."""
    if isinstance(node, dict) and not is_free(node, path):
        for key, child in node.items():
            yield (*path, key)
            yield from key_paths(child, (*path, key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from key_paths(child, (*path, index))


def is_free(node: Manifest, path: Path) -> bool:
    """Labels and the like; a Service's selector is labels as well."""
    return bool(path) and (
        path[-1] in FREE or (path[-1] == "selector" and all(isinstance(v, str) for v in node.values()))
    )


def misspelt(manifest: Manifest, path: Path) -> Manifest:
    """The object with one letter too many in one key."""
    spoilt = copy.deepcopy(manifest)
    node: Any = spoilt
    for step in path[:-1]:
        node = node[step]
    node[f"{path[-1]}x"] = node.pop(path[-1])
    return spoilt


def kustomizations() -> dict[str, Manifest]:
    """Every kustomization by its folder."""
    folders = [path for root in ("k8s", "conf") for path in (ROOT / root).rglob("kustomization.yaml")]
    return {str(path.parent.relative_to(ROOT)): yaml.safe_load(path.read_text()) for path in folders}


def test_every_layer_is_known() -> None:
    """The layers under test are all the kustomizations there are, and every component is part of an overlay."""
    found = kustomizations()
    assert {folder for folder, content in found.items() if content["kind"] == "Kustomization"} == set(LAYERS)
    components = {folder for folder, content in found.items() if content["kind"] == "Component"}
    used = {
        str((ROOT / folder / component).resolve().relative_to(ROOT))
        for folder, content in found.items()
        for component in content.get("components", [])
    }
    assert used == components


@every_layer
def test_a_layer_validates_strictly(layer: str) -> None:
    """Every object of the layer has only keys its schema knows, with the right types."""
    for manifest in rendered(layer):
        validate(manifest)


def distinct_objects() -> list[Manifest]:
    """Of each kind the largest object of all layers."""
    largest: dict[str, Manifest] = {}
    for manifest in (manifest for layer in LAYERS for manifest in rendered(layer)):
        if len(str(manifest)) > len(str(largest.get(manifest["kind"], ""))):
            largest[manifest["kind"]] = manifest
    return list(largest.values())


@pytest.mark.parametrize("manifest", distinct_objects(), ids=lambda manifest: manifest["kind"])
def test_a_misspelt_key_is_an_error(manifest: Manifest) -> None:
    """One letter too many in any key of any kind of object, and the object is refused."""
    seen: set[Path] = set()
    for path in key_paths(manifest):
        alike = tuple(step for step in path if isinstance(step, str))
        if alike not in seen:
            seen.add(alike)
            assert invalid(misspelt(manifest, path)), path
    assert len(seen) > 3


def test_every_schema_is_used() -> None:
    """No schema lies here for a kind that no layer has."""
    assert set(SCHEMAS.glob("*.gz")) <= {schema_file(manifest) for layer in LAYERS for manifest in rendered(layer)}
