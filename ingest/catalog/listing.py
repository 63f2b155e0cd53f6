"""What a source comes back with."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


class Listing(Iterable[SourceFile]):
    """The files of a source, read once and as they come; what else it lists is counted on the way.

    After that `files` and `size_bytes` are those of all files, `unusable` the entries that never become tracks, and
    `skipped` how many are not audio by their suffix. `seen` is called with the number of entries so far.
    """

    def __init__(self, entries: Iterable[Entry], seen: Callable[[int], None] = lambda entries: None) -> None:
        self._entries, self._seen = entries, seen
        self.files = self.size_bytes = self.skipped = 0
        self.unusable: list[Unusable] = []

    def __iter__(self) -> Iterator[SourceFile]:
        for number, entry in enumerate(self._entries, 1):
            self._seen(number)
            match entry:
                case SourceFile():
                    self.files += 1
                    self.size_bytes += entry.size_bytes
                    yield entry
                case Unusable():
                    self.unusable.append(entry)
                case Skipped():
                    self.skipped += 1


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
