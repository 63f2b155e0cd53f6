"""Every audio file below a folder; hidden entries are left out, links are followed, each folder is read once."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ingest.catalog.access import local_state, why
from ingest.catalog.listing import Entry, Skipped, Unusable, is_audio, unusable_name
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError
from ingest.stores import SourceFile

Inode = tuple[int, int]


def check(config: CatalogConfig) -> None:
    try:
        os.scandir(config.path).close()
    except NotADirectoryError:
        hint = "catalog=manifest reads a list of files"
        raise ConfigurationError(f"catalog.path {config.path!r} is a file, not a folder; {hint}") from None
    except OSError as error:
        raise ConfigurationError(f"catalog.path {config.path!r} cannot be read: {why(error)}") from None


def probe(config: CatalogConfig) -> None:
    """To check a folder is to read it."""
    check(config)


def entries(config: CatalogConfig, home: Path) -> Iterator[Entry]:
    """The files of the tree, by absolute path; the home is left out if it lies inside."""
    root = str(Path(config.path).absolute())
    walk = _Walk(config.suffixes)
    if home.is_dir():
        walk.enter(str(home))
    walk.enter(root)
    yield from walk.files(root)
    while walk.links:  # after the real entries: what a link leads to may be listed already
        yield from walk.follow(walk.links.popleft())


class _Walk:
    """One walk over a tree; `folders` and `listed` are what it has met, by inode."""

    def __init__(self, suffixes: list[str]) -> None:
        self.suffixes = suffixes
        self.links: deque[str] = deque()
        self.folders: set[Inode] = set()
        self.listed: set[Inode] = set()

    def enter(self, folder: str) -> bool:
        """Whether a folder is met for the first time."""
        inode = _inode(Path(folder).stat())
        known = inode in self.folders
        self.folders.add(inode)
        return not known

    def files(self, folder: str) -> Iterator[Entry]:
        """The files below a folder; links are put aside."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            try:
                found = self._scan(current)
            except OSError as error:
                yield _missing(current, error)
                continue
            for entry in found:
                if entry.is_symlink():
                    self.links.append(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    yield self._file(entry.path)

    def follow(self, link: str) -> Iterator[Entry]:
        """What a link leads to, unless it was met before."""
        if not os.path.isdir(link):  # noqa: PTH112  Path.is_dir raises where this says no
            if not self._is_listed(link):
                yield self._file(link)
        elif self.enter(link):
            yield from self.files(link)

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        with os.scandir(folder) as found:
            shown = [entry for entry in found if not entry.name.startswith(".")]
        kept = [e for e in shown if not e.is_dir(follow_symlinks=False) or self.enter(e.path)]
        return sorted(kept, key=lambda entry: entry.name)

    def _is_listed(self, path: str) -> bool:
        try:
            return _inode(Path(path).stat()) in self.listed
        except OSError:
            return False

    def _file(self, path: str) -> Entry:
        if not is_audio(path, self.suffixes):
            return Skipped(path)
        if unusable := unusable_name(path):
            return unusable
        try:
            found = Path(path).stat()
            now = local_state(found)
        except OSError as error:
            return _missing(path, error)
        self.listed.add(_inode(found))
        return SourceFile(path, now.version, now.size_bytes)


def _missing(path: str, error: OSError) -> Unusable:
    return unusable_name(path) or Unusable(path, "missing", f"cannot be read: {why(error)}")


def _inode(found: os.stat_result) -> Inode:
    return found.st_dev, found.st_ino
