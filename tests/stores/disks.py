"""Small disks that can run full: file systems in memory, mounted by root."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of so many kilobytes at `place`."""
    place.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(place))
    try:
        yield place
    finally:
        _run("umount", "--lazy", str(place))


def grow(place: Path, kilobytes: int) -> None:
    """More room on the same disk."""
    _run("mount", "-o", f"remount,size={kilobytes}k", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
