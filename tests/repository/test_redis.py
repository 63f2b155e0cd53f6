"""The Redis of components/fault-tolerance, started and probed as its manifest says."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.services import free_ports
from tests.repository.kubernetes import Manifest, named

pytestmark = pytest.mark.integration
PASSWORD = "a password with $ and spaces"
INSTALL = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", "redis-server"]


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """Debian's redis-server; installed if it is missing and we are root."""
    if shutil.which("redis-server") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update"], env=environment, capture_output=True, check=False)
        subprocess.run(INSTALL, env=environment, capture_output=True, check=False)
    if shutil.which("redis-server") is None:
        pytest.fail("Redis is missing: install the package redis-server")


@pytest.fixture(scope="module")
def container() -> Manifest:
    (found,) = named("k8s/overlays/prod", "StatefulSet", "refrain-redis")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def command(words: list[str], port: int, folder: Path) -> list[str]:
    """As Kubernetes starts it: the password put in; on a port and a folder of the test's own."""
    values = {"$(REDISCLI_AUTH)": PASSWORD, "/data": str(folder)}
    return [*(values.get(word, word) for word in words), "--port", str(port), "--bind", "127.0.0.1"]


def is_ready(container: Manifest, port: int, password: str) -> bool:
    """What the probe says, asked at the test's port."""
    shell, option, line = container["readinessProbe"]["exec"]["command"]
    (variable,) = [variable["name"] for variable in container["env"]]
    environment = {"PATH": os.environ["PATH"], variable: password}
    line = line.replace("redis-cli", f"redis-cli -p {port}")
    done: subprocess.CompletedProcess[Any] = subprocess.run([shell, option, line], env=environment, check=False)
    return done.returncode == 0


@pytest.fixture
def port(container: Manifest, tmp_path: Path) -> Iterator[int]:
    (listening,) = free_ports(1)
    process = subprocess.Popen(command(container["command"], listening, tmp_path), stdout=subprocess.DEVNULL)
    try:
        patience = time.monotonic() + 30
        while not is_ready(container, listening, PASSWORD):
            assert process.poll() is None and time.monotonic() < patience, "Redis does not come up"
            time.sleep(0.1)
        yield listening
    finally:
        process.terminate()
        process.wait(30)


def test_it_asks_for_its_password_and_keeps_what_it_is_told(container: Manifest, port: int, tmp_path: Path) -> None:
    """With the Secret's password the probe succeeds and without it fails, and writes go to the volume."""
    assert not is_ready(container, port, "another password")
    environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": PASSWORD}
    subprocess.run(
        ["redis-cli", "-p", str(port), "set", "head", "here"], env=environment, check=True, capture_output=True
    )
    assert any(path.stat().st_size for path in (tmp_path / "appendonlydir").iterdir())
