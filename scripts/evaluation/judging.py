"""Answers beside a threshold: by default the threshold and the calibration that the other fold's answers ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ingest.errors import ConfigurationError
from scripts.evaluation.folds import FOLDS
from scripts.evaluation.outcomes import Outcome
from serve.matching import Calibration
from serve.matching.calibration import read_calibration

SHIPPED = "shipped"


@dataclass(frozen=True)
class Judged:
    """An outcome with the probability that it is right, and the one from which on it is answered."""

    outcome: Outcome
    confidence: float
    threshold: float

    @property
    def accepted(self) -> bool:
        return self.outcome.features is not None and self.confidence >= self.threshold

    def to_dict(self) -> dict[str, Any]:
        more = {"confidence": self.confidence, "threshold": self.threshold, "accepted": self.accepted}
        return {**self.outcome.to_dict(), **more}


def chosen_calibration(choice: str | None, encoder: str) -> Calibration | None:
    """`shipped`, a file, or None, for the encoder of that checksum. Raises ConfigurationError if it is another's."""
    if choice is None:
        return None
    try:
        calibration = Calibration.shipped() if choice == SHIPPED else read_calibration(Path(choice))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"calibration={choice}: {error}") from error
    if calibration.encoder not in (None, encoder):
        raise ConfigurationError(
            f"calibration={choice} belongs to the encoder {calibration.encoder[:12]}, not to {encoder[:12]}"
        )
    return calibration


def fitted(outcomes: Iterable[Outcome], max_false_accepts: float) -> Calibration:
    """To these outcomes; of their unknown clips at most that share is accepted, at each length.

    Raises ConfigurationError where they are too few.
    """
    seen = [(outcome, outcome.features) for outcome in outcomes if outcome.features is not None]
    try:
        found = Calibration.fit([features for _, features in seen], [outcome.right_track for outcome, _ in seen])
    except ValueError as error:
        raise ConfigurationError(f"{error}; ask more (clips=, lengths=), or say calibration=shipped") from error
    return found.with_thresholds([features for outcome, features in seen if outcome.mistakable], max_false_accepts)


def cross_fitted(outcomes: Sequence[Outcome], max_false_accepts: float) -> dict[int, Calibration]:
    """By fold: what the other one's outcomes ask for."""
    return {fold: fitted([o for o in outcomes if o.fold != fold], max_false_accepts) for fold in FOLDS}


def too_few(outcomes: Iterable[Outcome], max_false_accepts: float) -> str:
    """What to think of thresholds that rest on so few unknown clips; empty where they are enough."""
    counts = Counter((o.fold, o.clip_s) for o in outcomes if o.mistakable)
    fewest = min(counts.values(), default=0)
    if fewest * max_false_accepts >= 1:
        return ""
    return (
        f"A threshold rests on {fewest} unknown clips, too few to tell {max_false_accepts:.1%} of false accepts: "
        "no more than a first impression; ask more (clips=)."
    )


def judge(outcomes: Iterable[Outcome], calibrations: Mapping[int, Calibration]) -> list[Judged]:
    """Each outcome by the calibration of its fold."""

    @cache
    def threshold(fold: int, log_clip_s: float) -> float:
        return calibrations[fold].threshold(float(np.exp(log_clip_s)))

    return [
        Judged(o, calibrations[o.fold].confidence(o.features), threshold(o.fold, o.features.log_clip_s))
        if o.features
        else Judged(o, 0.0, 1.0)
        for o in outcomes
    ]
