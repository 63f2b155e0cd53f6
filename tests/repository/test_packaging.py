"""Versions, locks and make targets agree with each other."""

import re
import subprocess
import tomllib
from pathlib import PurePosixPath

import pytest

from tests.repository.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.lock", "k8s/requirements.lock")


def pins(lock: str) -> dict[str, str]:
    """Requirement line (name, version, marker) → its hashes, of a lock made by `make lock`."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())
    parsed = {}
    for entry in entries:
        body = "\n".join(line for line in entry.splitlines() if not line.lstrip().startswith("#"))
        requirement, _, hashes = body.partition("\\")
        if requirement.strip():
            parsed[requirement.strip()] = hashes
    return parsed


def names(lock: str) -> set[str]:
    return {re.split(r"[=\[]", requirement)[0] for requirement in pins(lock)}


def version_of(package: str) -> str:
    """The version of a package in the image."""
    (pinned,) = [line for line in pins("k8s/requirements.lock") if re.match(rf"{package}(\[.*\])?==", line)]
    return pinned.split("==")[1].split()[0]


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[=<>\[;]", text)[0].lower() for text in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address(lock: str) -> None:
    """The locks name packages and hashes, and no place to fetch them from."""
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|^-f\b|\s@\s", text, flags=re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_by_hash(lock: str) -> None:
    """Every line of a lock fixes one version and at least one hash."""
    loose = [name for name, hashes in pins(lock).items() if "==" not in name or "--hash=sha256:" not in hashes]
    assert not loose
    assert len(pins(lock)) > 100


def test_the_lock_covers_what_the_project_declares() -> None:
    """Nothing is declared in pyproject.toml that the lock does not hold."""
    assert declared(PROJECT["dependencies"]) <= names("k8s/requirements.lock")
    assert declared(PROJECT["optional-dependencies"]["dev"]) <= names("requirements.lock")


def test_the_image_installs_what_the_tests_tested() -> None:
    """The image's lock is the tested lock without the development tools: same versions, same hashes."""
    tested, shipped = pins("requirements.lock"), pins("k8s/requirements.lock")
    assert {requirement: tested.get(requirement) for requirement in shipped} == shipped
    assert not names("k8s/requirements.lock") & {"pytest", "milvus", "moto", "mypy", "ruff", "hypothesis"}


def test_the_changelog_knows_the_version() -> None:
    """The newest entry of the changelog is the version of pyproject.toml, or what is not yet released."""
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest
    assert newest[1] in ("Unreleased", PROJECT["version"])


def test_the_image_carries_the_version() -> None:
    """Dockerfile and kustomizations name the version of pyproject.toml."""
    version = re.escape(PROJECT["version"])
    assert re.search(rf"^ARG VERSION={version}$", (ROOT / "k8s/Dockerfile").read_text(), flags=re.MULTILINE)
    for kustomization in (ROOT / "k8s").rglob("kustomization.yaml"):
        tags = re.findall(r"newTag: (.+)\n", kustomization.read_text())
        assert set(tags) <= {PROJECT["version"]}, kustomization


def test_setup_and_image_install_with_the_same_uv() -> None:
    """Makefile and Dockerfile pin one version of the installer."""
    pinned = [
        re.findall(r"UV_VERSION ?:?= ?([\d.]+)", (ROOT / path).read_text()) for path in ("Makefile", "k8s/Dockerfile")
    ]
    assert pinned[0] == pinned[1] and len(pinned[0]) == 1


def test_the_dockerfile_copies_only_what_the_context_lets_through() -> None:
    """Every source of a COPY exists, and Dockerfile.dockerignore lets it into the build context."""
    allowed = {
        PurePosixPath(line[1:])
        for line in (ROOT / "k8s/Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "k8s/Dockerfile").read_text(), flags=re.MULTILINE)
    sources = {PurePosixPath(source) for copy in copies for source in copy.split()}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize("target", ["setup", "demo", "test", "test-long", "check", "bench", "clean", "lock", "help"])
def test_make_knows_its_targets(target: str) -> None:
    """Every target the documents promise parses, and `make help` lists it."""
    dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Traceback" not in dry.stdout
    assert re.search(rf"^{target} +\S", listed, flags=re.MULTILINE)


def test_ci_runs_the_check_of_the_makefile() -> None:
    """`.ci/run` is an executable script without syntax errors that runs `make check`."""
    script = ROOT / ".ci/run"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & 0o111
    assert "make check" in script.read_text()
