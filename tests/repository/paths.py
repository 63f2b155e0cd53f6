"""Where the repository lies and what git tracks in it."""

import subprocess
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
CODE = ("conf", "ingest", "serve", "scripts", "tests")


@cache
def tracked_files() -> tuple[PurePosixPath, ...]:
    """Every file git tracks and that is still there, relative to the root, sorted."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (PurePosixPath(name) for name in listing.split("\0") if name)
    return tuple(sorted(path for path in paths if (ROOT / path).exists()))


def python_files(*folders: str) -> list[PurePosixPath]:
    """The tracked Python files under the given top-level folders."""
    return [path for path in tracked_files() if path.suffix == ".py" and path.parts[0] in folders]
