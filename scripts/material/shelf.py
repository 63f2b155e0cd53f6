"""The folder that is filled: music/*.flac, noise/*.flac and SOURCES.csv, which says where each came from.

What is done once as a whole, a package, a score or a voice, is a unit. Its rows are written when all its files are, so
a unit with rows is done; one that yields nothing has a row without a file, whose note says why.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from ingest.fingerprint.grid import SAMPLE_RATE
from scripts.material.wave import digest, seconds, unclipped
from scripts.music.files import write

Kind = Literal["music", "noise", "none"]


@dataclass(frozen=True)
class Row:
    """A line of SOURCES.csv. `file` is relative to the folder; `package` a Debian package or what else made it."""

    file: str
    kind: Kind
    seconds: float
    package: str
    licence: str
    unit: str
    sha256: str


class Shelf:
    """Files and rows of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.table = folder, folder / "SOURCES.csv"
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = _read(self.table) if self.table.exists() else []

    def is_done(self, unit: str) -> bool:
        """Whether the unit was finished and its files are still there."""
        rows = [row for row in self.rows if row.unit == unit]
        return bool(rows) and all((self.folder / row.file).exists() for row in rows)

    def digests_beside(self, unit: str) -> set[str]:
        """Of all audio that other units brought."""
        return {row.sha256 for row in self.rows if row.sha256 and row.unit != unit}

    def put(self, kind: Kind, name: str, samples: np.ndarray, unit: str, package: str, licence: str) -> Row:
        """Write one file; its row is for `finish`."""
        file = f"{kind}/{name}.flac"
        write(self.folder / file, unclipped(samples), SAMPLE_RATE)
        return Row(file, kind, round(seconds(samples), 2), package, licence, unit, digest(samples))

    def finish(self, unit: str, rows: Sequence[Row], nothing: str = "no audio") -> None:
        """The unit is done: its rows are kept. Without rows, `nothing` says why."""
        rows = rows or [Row("", "none", 0.0, unit, nothing, unit, "")]
        self.rows = [row for row in self.rows if row.unit != unit] + list(rows)
        _write(self.table, self.rows)


def slug(text: str) -> str:
    """
    >>> slug("Level 3/Über_Boss (final)")
    'level-3-ber-boss-final'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _read(table: Path) -> list[Row]:
    with table.open(newline="", encoding="utf-8") as lines:
        return [Row(**{**row, "seconds": float(row["seconds"])}) for row in csv.DictReader(lines)]  # type: ignore[arg-type]


def _write(table: Path, rows: Sequence[Row]) -> None:
    unfinished = table.with_suffix(".tmp")
    with unfinished.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    unfinished.replace(table)
