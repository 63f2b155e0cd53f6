"""Title, artist, album and ISRC as a file itself tells them, through mutagen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import mutagen

LONGEST = 512  # characters kept of a tag
ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")  # ISO 3901, without hyphens


@dataclass(frozen=True)
class Tags:
    """What is missing is None."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None


def read_tags(source: str | Path | BinaryIO) -> Tags:
    """Tags of a file or seekable stream; of one that mutagen cannot read, none."""
    try:
        found = mutagen.File(source, easy=True)
    except (mutagen.MutagenError, OSError, ValueError, KeyError, IndexError, OverflowError):
        return Tags()
    if found is None or (not isinstance(found.tags, Mapping) and not hasattr(found, "get")):
        return Tags()
    return Tags(_text(found, "title"), _text(found, "artist"), _text(found, "album"), _isrc(_text(found, "isrc")))


def clean_text(value: object) -> str | None:
    """A tag's value as one line of text that every store takes, or None."""
    text = str(value).encode("utf-8", "ignore").decode("utf-8").replace("\0", " ")
    return " ".join(text.split())[:LONGEST] or None


def _text(found: mutagen.FileType, key: str) -> str | None:
    try:
        values = found.get(key) or []  # type: ignore[no-untyped-call]
    except (KeyError, ValueError):
        return None
    return clean_text(", ".join(map(str, values)) if isinstance(values, list) else values)


def _isrc(text: str | None) -> str | None:
    """Upper case and without hyphens; what has not the form of an ISRC is none."""
    code = (text or "").replace("-", "").replace(" ", "").upper()
    return code if ISRC.fullmatch(code) else None
