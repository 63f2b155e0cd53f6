"""Title, artist, album and ISRC as a file itself tells them, through mutagen."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import mutagen

LONGEST = 512  # characters kept of a tag
ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}", re.ASCII)  # ISO 3901, without hyphens

# What ID3 (mp3, wav, aiff), Vorbis comments and APE (flac, ogg, opus), MP4 and ASF (wma) call each of them.
TITLE = ("TIT2", "title", "©nam", "Title")
ARTIST = ("TPE1", "artist", "©ART", "Author")
ALBUM = ("TALB", "album", "©alb", "WM/AlbumTitle")
ISRC_NAMES = ("TSRC", "isrc", "----:com.apple.iTunes:ISRC", "WM/ISRC")

# What mutagen's parsers let through of a malformed tag, beside its own errors.
MALFORMED = (
    mutagen.MutagenError, OSError, EOFError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError,
    AssertionError, RecursionError, struct.error, zlib.error,
)  # fmt: skip


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
        found = mutagen.File(source)
        tags = None if found is None else found.tags
        if tags is None:
            return Tags()
        return Tags(_text(tags, TITLE), _text(tags, ARTIST), _text(tags, ALBUM), _isrc(_text(tags, ISRC_NAMES)))
    except MALFORMED:
        return Tags()


def clean_text(value: object) -> str | None:
    """A tag's value as one line of text that every store takes, or None."""
    text = str(value).encode("utf-8", "ignore").decode("utf-8").replace("\0", " ")
    return " ".join(text.split())[:LONGEST].rstrip() or None


def _text(tags: Any, names: tuple[str, ...]) -> str | None:
    """The first of `names` that says something; several different values are joined by commas."""
    for name in names:
        value = _looked_up(tags, name)
        values = getattr(value, "text", value)  # an ID3 frame holds a list
        told = map(_decoded, values if isinstance(values, list) else [values])
        text = clean_text(", ".join(dict.fromkeys(told)))
        if text:
            return text
    return None


def _looked_up(tags: Any, name: str) -> Any:
    try:
        return tags.get(name) or ""
    except (KeyError, ValueError):  # Vorbis comments and APE refuse names that they could not hold
        return ""


def _decoded(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _isrc(text: str | None) -> str | None:
    """Upper case and without hyphens; what has not the form of an ISRC is none."""
    code = (text or "").replace("-", "").replace(" ", "").upper()
    return code if ISRC.fullmatch(code) else None
