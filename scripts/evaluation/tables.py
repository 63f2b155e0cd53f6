"""Hit rates with Wilson intervals, as rows of a Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.evaluation.trial import Outcome, confidence
from serve.matching import Calibration

Z = 1.96  # 95 %


@dataclass(frozen=True)
class Share:
    """k of n, with its Wilson score interval (Wilson, 1927)."""

    k: int
    n: int

    @property
    def value(self) -> float:
        return self.k / self.n if self.n else float("nan")

    def interval(self) -> tuple[float, float]:
        """
        >>> low, high = Share(50, 100).interval()
        >>> round(low, 3), round(high, 3)
        (0.404, 0.596)
        """
        if not self.n:
            return 0.0, 1.0
        centre = (self.k + Z**2 / 2) / (self.n + Z**2)
        half = Z / (self.n + Z**2) * np.sqrt(self.k * (self.n - self.k) / self.n + Z**2 / 4)
        return max(0.0, float(centre - half)), min(1.0, float(centre + half))

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:.1%} ({low:.1%} – {high:.1%})"


def share(outcomes: Sequence[Outcome], hit: Callable[[Outcome], bool]) -> Share:
    return Share(sum(map(hit, outcomes)), len(outcomes))


def condition_rows(outcomes: Sequence[Outcome], calibrations: Mapping[int, Calibration]) -> list[str]:
    """One row a condition and length; `calibrations` by fold: the one fitted on the other fold."""
    kinds = list(dict.fromkeys((outcome.condition, outcome.clip_s) for outcome in outcomes))
    rows = [
        "| condition | clip | clips | right track, unthresholded | answered, right track | answered, right place | "
        "answered wrongly | unknown, answered |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for condition, clip_s in kinds:
        part = [outcome for outcome in outcomes if (outcome.condition, outcome.clip_s) == (condition, clip_s)]
        rows.append(_row(condition, clip_s, part, calibrations))
    return rows


def _row(condition: str, clip_s: float, part: Sequence[Outcome], calibrations: Mapping[int, Calibration]) -> str:
    def answered(outcome: Outcome) -> bool:
        calibration = calibrations[outcome.fold]
        return confidence(outcome, calibration) >= calibration.threshold

    known = [outcome for outcome in part if outcome.known]
    unknown = [outcome for outcome in part if not outcome.known]
    cells = [
        condition,
        f"{clip_s:g} s",
        str(len(known)),
        str(share(known, lambda o: o.right_track)),
        str(share(known, lambda o: answered(o) and o.right_track)),
        str(share(known, lambda o: answered(o) and o.right_place)),
        str(share(known, lambda o: answered(o) and not o.right_track)),
        str(share(unknown, answered)),
    ]
    return "| " + " | ".join(cells) + " |"
