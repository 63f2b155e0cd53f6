"""What a container of a manifest finds: its environment, and the configuration that the ConfigMap carries, as files."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conf.loader import SHIPPED, group_choices
from tests.repository.kubernetes import Manifest, rendered
from tests.repository.paths import ROOT

PROGRAMS = ("adopt", "ingest", "serve")  # what an installation runs
SECRETS = {  # as docs/operations.md says to make them
    "refrain-credentials": {
        "REFRAIN_MYSQL_PASSWORD": "mysql-secret",
        "REFRAIN_MILVUS_TOKEN": "milvus:secret",
        "AWS_ACCESS_KEY_ID": "an-access-key",
        "AWS_SECRET_ACCESS_KEY": "a-secret-key",
    }
}


def environment(layer: str, container: Manifest) -> dict[str, str]:
    """The variables that ConfigMaps and Secrets give a container."""
    maps = {m["metadata"]["name"]: m["data"] for m in rendered(layer) if m["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found |= (
            maps[source["configMapRef"]["name"]] if "configMapRef" in source else SECRETS[source["secretRef"]["name"]]
        )
    return found


def mounted(layer: str, pod: Manifest, container: Manifest, place: str) -> dict[str, str]:
    """Path → content of the ConfigMap that a container has mounted at a place."""
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == place]
    (volume,) = [volume["configMap"] for volume in pod["volumes"] if volume["name"] == mount["name"]]
    (data,) = [m["data"] for m in rendered(layer) if m["metadata"]["name"] == volume["name"]]
    assert len(volume["items"]) == len(data), "every key of the ConfigMap is mounted"
    return {item["path"]: data[item["key"]] for item in volume["items"]}


def needed_files() -> Iterator[str]:
    """Every file of conf/ that the programs are composed of."""
    for program in PROGRAMS:
        yield f"{program}.yaml"
        for group, choices in group_choices(program).items():
            yield from (f"{group}/{choice}.yaml" for choice in choices)


def shipped(path: str) -> str:
    return (SHIPPED / path).read_text(encoding="utf-8")


def write_files(files: Mapping[str, str], folder: Path) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


def run(command: str, environment: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of a manifest as a container's shell runs it, with its environment and our interpreter's programs."""
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(cwd)}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        env={**path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def python(code: str, *arguments: Any) -> str:
    """A command line that runs a few lines of Python."""
    return shlex.join(["python", "-c", code, *map(str, arguments)])
