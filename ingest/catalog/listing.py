"""What a source comes back with."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ingest.stores import SourceFile


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry that never becomes a track; `uri` is printable, whatever the entry was."""

    uri: str
    code: str  # unusable_name, missing, bad_row
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is not audio by its suffix."""

    uri: str


Entry = SourceFile | Unusable | Skipped


@dataclass
class Listing:
    """`files` are sorted by uri, each uri once; `skipped` counts entries that are not audio by their suffix."""

    files: list[SourceFile] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    skipped: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def gather(entries: Iterable[Entry]) -> Listing:
    """Sort a source's entries into a listing."""
    listing = Listing()
    for entry in entries:
        match entry:
            case SourceFile():
                listing.files.append(entry)
            case Unusable():
                listing.unusable.append(entry)
            case Skipped():
                listing.skipped += 1
    listing.files.sort(key=lambda file: file.uri)
    return listing


def is_audio(name: str, suffixes: Iterable[str]) -> bool:
    """Whether a name ends like audio.

    >>> is_audio("a/B.MP3", [".mp3"]), is_audio("a/mp3", [".mp3"])
    (True, False)
    """
    return PurePosixPath(name).suffix.lower() in suffixes


def unusable_name(name: str) -> Unusable | None:
    """A reject for a name that is not valid Unicode, which no store and no answer could repeat."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        printable = name.encode("utf-8", "surrogateescape" if _from_bytes(name) else "surrogatepass")
        return Unusable(printable.decode("utf-8", "backslashreplace"), "unusable_name", "the name is not valid Unicode")
    return None


def _from_bytes(name: str) -> bool:
    """Whether every lone surrogate stands for a byte, as the operating system's names have them."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True
