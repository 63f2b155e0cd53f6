"""All figures of an evaluation, from the judged answers: what the report, the plots and results.json show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.evaluation.judging import Judged
from scripts.evaluation.statistics import Bin, Curve, Share, calibration_error, curve, reliability, share

FALSE_ACCEPTS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)  # at which hit rates are told
STAGES = ("embed", "search", "match")
RANKS: Mapping[str, Callable[[int], bool]] = {
    "2": lambda rank: rank == 2,
    "3–5": lambda rank: 3 <= rank <= 5,
    "6–20": lambda rank: 6 <= rank <= 20,
    "beyond": lambda rank: rank > 20,
    "absent": lambda rank: rank == 0,
}
SUSPECTS = 10


@dataclass(frozen=True)
class Cell:
    """One condition at one length."""

    condition: str
    clip_s: float
    distractors: int
    hits: Share  # of known clips: answered, with the right track and place
    right_track: Share  # of known clips, whatever the confidence
    right_place: Share  # likewise
    refused: Share  # of known clips: right, and below the threshold
    wrong: Share  # of known clips: answered with another track
    unknown_answered: Share
    ranks: Mapping[str, int]  # where the right track stood when it was not first; names of RANKS


@dataclass(frozen=True)
class Figures:
    """What was measured without simulated vectors."""

    cells: tuple[Cell, ...]
    curves: Mapping[float, Curve]  # by length
    bins: tuple[Bin, ...]
    calibration_error: float
    clip_s: float  # the length that `ms` is of
    ms: Mapping[str, tuple[float, float]]  # stage, and "all" of a clip: median of known clips and of unknown ones
    suspects: tuple[Judged, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "cells": [cell_dict(cell) for cell in self.cells],
            "false_accepts": {f"{clip_s:g}": found.points() for clip_s, found in self.curves.items()},
            "reliability": [{**vars(one), "right": one.right.to_dict()} for one in self.bins],
            "expected_calibration_error": self.calibration_error,
            "ms": {stage: {"known": known, "unknown": unknown} for stage, (known, unknown) in self.ms.items()},
            "ms_clip_s": self.clip_s,
        }


def figures(judged: Sequence[Judged], timed_s: float = 10.0) -> Figures:
    """Times are of clips of `timed_s`, or of the length nearest to it."""
    lengths = sorted({one.outcome.clip_s for one in judged})
    clip_s = min(lengths, key=lambda length: abs(length - timed_s))
    seen = [one for one in judged if one.outcome.features]
    bins = reliability([one.confidence for one in seen], [one.outcome.right_track for one in seen])
    return Figures(
        cells(judged),
        {length: _curve([one for one in judged if one.outcome.clip_s == length]) for length in lengths},
        tuple(bins),
        calibration_error(bins),
        clip_s,
        _times([one for one in judged if one.outcome.clip_s == clip_s]),
        _suspects(judged),
    )


def cells(judged: Sequence[Judged]) -> tuple[Cell, ...]:
    """One for each condition, length and size, in the order in which they were asked."""
    parts: dict[tuple[str, float, int], list[Judged]] = {}
    for one in judged:
        parts.setdefault((one.outcome.condition, one.outcome.clip_s, one.outcome.distractors), []).append(one)
    return tuple(_cell(*kind, part) for kind, part in parts.items())


def cell_dict(cell: Cell) -> dict[str, Any]:
    """As JSON can hold it."""
    return {name: value.to_dict() if isinstance(value, Share) else value for name, value in vars(cell).items()}


def _cell(condition: str, clip_s: float, distractors: int, part: Sequence[Judged]) -> Cell:
    known = [one for one in part if one.outcome.known]
    misses = [one.outcome.rank for one in known if not one.outcome.right_track]
    return Cell(
        condition,
        clip_s,
        distractors,
        hits=share([one.accepted and one.outcome.right_place for one in known]),
        right_track=share([one.outcome.right_track for one in known]),
        right_place=share([one.outcome.right_place for one in known]),
        refused=share([one.outcome.right_place and not one.accepted for one in known]),
        wrong=share([one.accepted and not one.outcome.right_track for one in known]),
        unknown_answered=share([one.accepted for one in part if one.outcome.mistakable]),
        ranks={name: sum(map(within, misses)) for name, within in RANKS.items()},
    )


def _curve(part: Sequence[Judged]) -> Curve:
    known = [one for one in part if one.outcome.known]
    found = [one.confidence for one in known if one.outcome.right_place]
    return curve(found, len(known), [one.confidence for one in part if one.outcome.mistakable])


def _times(part: Sequence[Judged]) -> dict[str, tuple[float, float]]:
    both = [[one.outcome for one in part if one.outcome.known == known] for known in (True, False)]
    spent = [np.array([[getattr(one, f"{stage}_ms") for stage in STAGES] for one in kind] or [[]]) for kind in both]
    known, unknown = (
        np.median(np.column_stack([ms, ms.sum(axis=1)]), axis=0).tolist() if ms.size else [0.0] * (len(STAGES) + 1)
        for ms in spent
    )
    return {stage: (a, b) for stage, a, b in zip((*STAGES, "all"), known, unknown, strict=True)}


def _suspects(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """The surest wrong answers, one for each pair of tracks: recordings that may be the same after all."""
    wrong = [one for one in judged if one.accepted and not one.outcome.right_track]
    surest: dict[tuple[str, str], Judged] = {}
    for one in sorted(wrong, key=lambda one: -one.confidence):
        surest.setdefault((one.outcome.track, one.outcome.answer), one)
    return tuple(surest.values())[:SUSPECTS]
