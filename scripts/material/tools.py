"""Programs of the system: one thin function runs them, and says which Debian package brings a missing one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.errors import ConfigurationError, InfrastructureError

Say = Callable[[str], None]

PACKAGES = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "espeak-ng": "espeak-ng",
    "fluidsynth": "fluidsynth",
}


def run(command: Sequence[str], *, folder: Path | None = None, text: str | None = None) -> None:
    """Run a program to its end, in `folder`, with `text` as its input.

    Raises ConfigurationError if it is not installed and InfrastructureError if it fails.
    """
    try:
        done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        tool = command[0]
        package = PACKAGES.get(tool, tool)
        raise ConfigurationError(f"{tool} is missing: apt-get install {package}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise InfrastructureError(f"{' '.join(command[:3])} failed: {said[-1] if said else done.returncode}")
