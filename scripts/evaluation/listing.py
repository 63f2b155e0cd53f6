"""Which recordings there are, which of them are asked about, and which belong together: from a folder or a CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.catalog import list_catalog
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError

FILE_COLUMNS = ("file", "uri")
FOLDERS = 8  # from which on files of one folder stay together
LEARNT = "train"  # the split that the encoder has heard: in the catalogue, never asked about


@dataclass(frozen=True)
class Listed:
    """A file to be read; `group` is what it must not be parted from."""

    name: str
    path: Path
    group: str
    held_out: bool


@dataclass(frozen=True)
class Skipped:
    """What was listed and cannot be used; `code` is that of a BadInput."""

    name: str
    code: str
    reason: str


def list_recordings(config: CatalogConfig, home: Path) -> tuple[list[Listed], list[Skipped]]:
    """By name. Raises ConfigurationError where there is nothing to read."""
    path = Path(config.path)
    found, skipped = _listed_folder(config, home) if path.is_dir() else (_listed_csv(path), [])
    if not found:
        raise ConfigurationError(f"catalog.path={config.path} lists no audio files")
    return sorted(found, key=lambda listed: listed.name), skipped


def _listed_folder(config: CatalogConfig, home: Path) -> tuple[list[Listed], list[Skipped]]:
    root = Path(config.path).absolute()
    listing = list_catalog(config, home)
    paths = [Path(file.uri) for file in listing]
    by_folder = len({path.parent for path in paths}) >= FOLDERS
    found = []
    for path in paths:
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        found.append(Listed(name, path, str(path.parent) if by_folder else name, held_out=True))
    return found, [Skipped(bad.uri, bad.code, bad.reason) for bad in listing.unusable]


def _listed_csv(path: Path) -> list[Listed]:
    rows = list(_rows(path))
    column = next((name for name in FILE_COLUMNS if rows and name in rows[0]), None)
    if column is None:
        raise ConfigurationError(f"catalog.path={path} is no folder, and no CSV with rows and a column file (or uri)")
    rows = [row for row in {row[column]: row for row in rows}.values() if row[column]]
    groups = _groups(rows, column)
    return [
        Listed(row[column], path.parent / row[column], group, (row.get("split") or "") != LEARNT)
        for row, group in zip(rows, groups, strict=True)
    ]


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            yield from csv.DictReader(lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"catalog.path={path} cannot be read: {error}") from error


def _groups(rows: Sequence[Mapping[str, str]], column: str) -> list[str]:
    """The column source where there is one; else as for folders."""
    if all(row.get("source") for row in rows):
        return [row["source"] for row in rows]
    folders = [str(Path(row[column]).parent) for row in rows]
    return folders if len(set(folders)) >= FOLDERS else [row[column] for row in rows]
