"""What came of each question in each fold, and the folder in which it is kept."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve.matching import Features


@dataclass(frozen=True)
class Unit:
    """Questions of one condition and length, put to an index with so many simulated vectors more."""

    condition: str
    clip_s: float
    clips: int
    distractors: int = 0

    def __str__(self) -> str:
        more = f", {self.distractors:,} vectors more" if self.distractors else ""
        return f"{self.condition}, {self.clip_s:g} s{more}"

    @property
    def file_name(self) -> str:
        """
        >>> Unit("noise -5 dB", 1.5, 150).file_name
        'noise_-5_dB-1.5s-150.jsonl'
        """
        more = f"+{self.distractors}" if self.distractors else ""
        return f"{re.sub('[^a-zA-Z0-9-]+', '_', self.condition)}-{self.clip_s:g}s-{self.clips}{more}.jsonl"


@dataclass(frozen=True)
class Outcome:
    """The best answer to one question in one fold; a calibration makes its confidence of `features`."""

    condition: str
    clip_s: float
    distractors: int
    fold: int
    track: str
    known: bool  # whether the catalogue held the track
    offset_s: float
    speed: float  # of the clip
    pitch_semitones: float
    answer: str  # the track answered, "" without a candidate
    answer_offset_s: float
    rank: int  # of the track among the candidates, 0: absent
    right_track: bool
    right_place: bool
    features: Features | None  # None: no candidate at all
    searched: int  # embeddings
    embed_ms: float
    search_ms: float
    match_ms: float

    @property
    def mistakable(self) -> bool:
        """Whether any answer to it would be a false accept: the passage is nowhere in the catalogue."""
        return not self.known and not self.right_track

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """Raises KeyError or TypeError for what `to_dict` did not write."""
        features = Features(**values["features"]) if values["features"] else None
        return cls(**{**values, "features": features})


@dataclass(frozen=True)
class Kept:
    """Outcomes of finished units, one file each, whole or not at all."""

    folder: Path

    def load(self, unit: Unit) -> list[Outcome] | None:
        """None if it is not finished, or its file is not one of ours."""
        try:
            with (self.folder / unit.file_name).open(encoding="utf-8") as lines:
                return [Outcome.from_dict(json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        write_lines(self.folder / unit.file_name, (outcome.to_dict() for outcome in outcomes))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A file of JSON lines, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with unfinished.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    unfinished.replace(path)
