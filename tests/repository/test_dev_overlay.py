"""The database of the development overlay, probed as its manifest says."""

import os
import subprocess

import pytest

from scripts.services import free_ports
from tests.repository.kubernetes import named

pytestmark = pytest.mark.integration


def test_the_probe_of_mysql_asks_without_a_password(mariadb_url: str) -> None:
    """The health check succeeds where the server answers, and fails where there is none."""
    (container,) = named("k8s/overlays/dev", "Deployment", "mysql")["spec"]["template"]["spec"]["containers"]
    command = container["readinessProbe"]["exec"]["command"]
    port = mariadb_url.rsplit(":", 1)[1].partition("/")[0]
    there, nowhere = (
        subprocess.run(
            [*command[:-1], f"--port={at}", *command[-1:]],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )
        for at in (port, free_ports(1)[0])
    )
    assert (there.returncode, nowhere.returncode) == (0, 1), there.stderr
