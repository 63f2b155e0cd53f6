"""scripts/compose.yaml: keys that the Compose specification knows, commands and variables that the programs know."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.repository.configured import run
from tests.repository.kubernetes import containers
from tests.repository.paths import ROOT
from tests.repository.test_packaging import PROJECT

TEXT = (ROOT / "scripts/compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
OURS = ("serve", "ingest")


def parsed(text: str) -> PyCompose:
    """The file as the specification sees it, merges and defaults of variables carried out. Raises ValueError."""
    return PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text))))


def test_it_is_a_compose_file() -> None:
    """Every key is one of the Compose specification, and volumes and services that are named exist."""
    compose = parsed(TEXT)
    compose.validate()
    assert set(compose.service_names()) == {*OURS, "mysql", "minio", "milvus"}
    named = {str(volume).split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {
        name for name in named if not name.startswith("$")
    }  # a folder of the caller's == set(yaml.safe_load(TEXT)["volumes"])
    assert {name for service in SERVICES.values() for name in service.get("depends_on", {})} <= set(SERVICES)


@pytest.mark.parametrize("key", ["image", "command", "healthcheck", "test", "interval", "condition", "tmpfs", "ports"])
def test_a_misspelt_key_is_an_error(key: str) -> None:
    """One letter too many in a key, and the file is refused."""
    spoilt = re.sub(rf"\b{key}:", f"{key}x:", TEXT, count=1)
    assert spoilt != TEXT
    with pytest.raises(ValueError):
        parsed(spoilt)


@pytest.mark.parametrize("name", OURS)
def test_our_commands_are_configurations(name: str, tmp_path: Path) -> None:
    """The commands compose with their environment: Milvus, MySQL and the bucket are the services of the file."""
    variables = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
    done = run(f"{SERVICES[name]['command']} --cfg job", variables, tmp_path)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    assert config["vectors"]["uri"] == variables["REFRAIN_MILVUS_URI"] == "http://milvus:19530"
    assert config["metadata"]["url"] == variables["REFRAIN_MYSQL_URL"]
    assert variables["REFRAIN_MYSQL_PASSWORD"] == SERVICES["mysql"]["environment"]["MYSQL_PASSWORD"]
    assert variables["AWS_SECRET_ACCESS_KEY"] == SERVICES["minio"]["environment"]["MINIO_ROOT_PASSWORD"]


def test_images_are_those_of_the_development_overlay() -> None:
    """Laptop and development overlay run the same versions of the stores, and ours is the project's."""
    images = {service["image"] for service in SERVICES.values()}
    overlay = {container["image"] for _, _, container in containers("k8s/overlays/dev")}
    assert images == overlay
    assert f"refrain:{PROJECT['version']}" in images


def test_nothing_is_open_to_the_network() -> None:
    """Every port is published on the loopback address alone."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
