"""What results are kept under: options, and the code that they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def checksum_of(texts: Iterable[str], *sources: str) -> str:
    """SHA-256 of some texts and of these Python files, or all below these folders, of the repository."""
    told = hashlib.sha256()
    for text in (*texts, *map(_source_checksum, sources)):
        told.update(text.encode())
        told.update(b"\0")
    return told.hexdigest()


@cache
def _source_checksum(source: str) -> str:
    told, place = hashlib.sha256(), ROOT / source
    for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
        told.update(path.read_bytes())
    return told.hexdigest()
