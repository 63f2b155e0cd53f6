"""The image: what it is made of, and its install steps tried in a clean directory."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.dockerfile import assignments, stage, steps
from tests.repository.paths import ROOT, tracked_files
from tests.repository.test_packaging import PROJECT, version_of

PLACES = ("VENV", "APP", "LOCK")
SMOKE = (
    "import ray, torch, serve.app, ingest.job; from ingest.fingerprint.encoder import load_encoder; load_encoder(); "
    "print(ray.__version__, torch.__version__.split('+')[0])"
)


def test_the_base_is_pinned_and_named_without_a_host() -> None:
    """Every stage starts from one Python of one patch version."""
    (python,) = re.findall(r"^PYTHON=(.+)$", next(step.text for step in steps() if step.instruction == "ARG"))
    assert re.fullmatch(r"3\.11\.\d+-slim-[a-z]+", python)
    assert {step.text.split(" ")[0] for step in steps() if step.instruction == "FROM"} == {"python:${PYTHON}"}


def test_labels_tell_the_versions() -> None:
    """The labels name the versions of Ray, torch and pymilvus that the lock installs."""
    labels = assignments(steps(), "LABEL")
    told = {
        name.rpartition(".")[2]: version for name, version in labels.items() if name.startswith("refrain.versions.")
    }
    assert told == {name: version_of(name) for name in ("ray", "torch", "pymilvus")}
    assert labels["org.opencontainers.image.licenses"] == PROJECT["license"]


def test_it_runs_as_nobody_special() -> None:
    """The last user is a number that is not root, as Kubernetes can check it."""
    assert [step.text for step in steps() if step.instruction == "USER"] == ["1000:1000"]


def test_the_weights_are_inside() -> None:
    """What is copied into the image holds the trained network."""
    copied = [step.text.split()[0] for step in stage("install") if step.instruction == "COPY"]
    weights = [str(path) for path in tracked_files() if path.suffix == ".safetensors"]
    assert weights and all(any(weight.startswith(f"{source}/") for source in copied) for weight in weights)


def copy(sources: list[str], target: Path) -> None:
    """As COPY does it: a folder's content, or files into a folder or to a name."""
    for source in sources:
        if (ROOT / source).is_dir():
            tracked = [path for path in tracked_files() if str(path).startswith(f"{source}/")]
            for path in tracked:
                (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, target / path.relative_to(source))
        else:
            target.mkdir(parents=True, exist_ok=True) if len(sources) > 1 else target.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, target)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_install_steps_install(tmp_path: Path) -> None:
    """The stage `install`, step by step in a clean directory, makes an environment in which job and service import."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "base")], check=True)
    variables = assignments(stage("install"), "ARG", "ENV") | {name: str(tmp_path / name.lower()) for name in PLACES}
    # Packages may come out of the cache of this machine: that they are the right ones is what their hashes are for.
    variables |= {"UV_NO_CACHE": "0", "PATH": f"{tmp_path}/base/bin:{os.environ['PATH']}"}
    for step in stage("install"):
        if step.instruction == "COPY":
            *sources, target = re.sub(r"\$\{(\w+)\}", lambda name: variables[name[1]], step.text).split()
            copy(sources, Path(target))
        if step.instruction == "RUN":
            done = subprocess.run(
                ["sh", "-ec", step.text],
                env=os.environ | variables,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{step.text}\n{done.stderr}"
    clean = {"PATH": variables["PATH"], "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    python = str(tmp_path / "venv/bin/python")
    told = subprocess.run(
        [python, "-c", SMOKE], env=clean, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == [version_of("ray"), version_of("torch")]
    command = [python, "-m", "ingest", "home=/nowhere", "--cfg", "job"]
    shown = subprocess.run(command, env=clean, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "home: /nowhere" in shown
