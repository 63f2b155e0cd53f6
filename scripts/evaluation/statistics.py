"""Shares with their uncertainty, and how two sets of numbers compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Z = 1.96  # 95 %
BINS = 10  # of confidence


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
        """
        >>> str(Share(50, 100)), str(Share(0, 0))
        ('50.0 (40.4–59.6)', '–')
        """
        low, high = self.interval()
        return f"{100 * self.value:.1f} ({100 * low:.1f}–{100 * high:.1f})" if self.n else "–"

    def to_dict(self) -> dict[str, Any]:
        return {"k": self.k, "n": self.n, "share": self.value if self.n else None, "wilson_95": self.interval()}


def share(found: Sequence[bool]) -> Share:
    return Share(sum(found), len(found))


@dataclass(frozen=True)
class Curve:
    """Hit rates over false accepts: with i of the `unknown` clips accepted, `hits[i]` of the known ones are found."""

    unknown: int
    hits: tuple[float, ...]

    def points(self) -> list[tuple[float, float]]:
        """(false accepts, hit rate), rising."""
        return [(i / self.unknown, hit) for i, hit in enumerate(self.hits)] if self.unknown else []

    def hit_rate(self, false_accepts: float) -> float:
        """At the lowest threshold that accepts at most this share of unknown clips."""
        return self.hits[min(int(false_accepts * self.unknown + 1e-9), len(self.hits) - 1)]


def curve(found: Sequence[float], known: int, unknown: Sequence[float]) -> Curve:
    """Of the confidences of right answers, the number of known clips, and the confidences of unknown clips' answers.

    >>> curve([0.9, 0.5, 0.3], 4, [0.6, 0.2]).hits
    (0.25, 0.75, 0.75)
    """
    rising = np.sort(np.asarray(found, np.float64))
    falling = np.sort(np.asarray(unknown, np.float64))[::-1]
    above = len(rising) - np.searchsorted(rising, [*falling, 0.0], side="right")
    return Curve(len(falling), tuple((above / max(known, 1)).tolist()))


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies in [low, high): their mean confidence, and how many are right."""

    low: float
    high: float
    confidence: float
    right: Share


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """The bins that are not empty."""
    values, truths = np.asarray(confidences, np.float64), np.asarray(right, np.bool_)
    number = np.minimum((values * BINS).astype(int), BINS - 1)
    return [
        Bin(i / BINS, (i + 1) / BINS, float(values[number == i].mean()), share(truths[number == i].tolist()))
        for i in np.unique(number).tolist()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: how far confidence lies from truth, over all answers (Guo et al., 2017)."""
    answers = sum(one.right.n for one in bins)
    return sum(one.right.n * abs(one.confidence - one.right.value) for one in bins) / max(answers, 1)


def ks_distance(some: np.ndarray, others: np.ndarray) -> float:
    """Greatest difference of two empirical distribution functions (Kolmogorov and Smirnov)."""
    places = np.concatenate([some, others])
    below = [np.searchsorted(np.sort(values), places, side="right") / len(values) for values in (some, others)]
    return float(np.abs(below[0] - below[1]).max())
