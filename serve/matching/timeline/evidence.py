"""How well a recording is heard along a line, moment by moment, and from when to when it is.

Letters: P pairs of a stored embedding and the recording sent at its time, N embeddings of a stretch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching.contract import Floats
from serve.matching.rescoring import Alignment
from serve.matching.timeline.settings import TimelineSettings
from serve.matching.timeline.tape import Stretch
from serve.matching.voting import Doubles, stored_centre_s


@dataclass(frozen=True)
class Pairs:
    """Cosines along a line, in order of time."""

    times_s: Doubles  # [P], of the recording sent
    cosines: Floats  # [P]
    contrasts: Floats  # [P], above what is usual there

    def within(self, start_s: float, end_s: float) -> Pairs:
        """Those of [start, end)."""
        own = slice(*np.searchsorted(self.times_s, [start_s, end_s]))
        return Pairs(self.times_s[own], self.cosines[own], self.contrasts[own])


def joined(parts: Iterable[Pairs]) -> Pairs:
    """All of them, in order of time."""
    several = list(parts)
    if not several:
        return Pairs(np.empty(0), np.empty(0, np.float32), np.empty(0, np.float32))
    times_s = np.concatenate([part.times_s for part in several])
    order = np.argsort(times_s, kind="stable")
    return Pairs(
        times_s[order],
        np.concatenate([part.cosines for part in several])[order],
        np.concatenate([part.contrasts for part in several])[order],
    )


def pairs_along(stretch: Stretch, aligned: Alignment, offset_s: float, slope: float) -> Pairs:
    """What was fetched for an alignment, beside the stretch on the line offset + slope · time of the stretch."""
    stored = np.flatnonzero(aligned.present)
    times_s = (stored_centre_s(aligned.first_segment + stored) - offset_s) / slope
    place = times_s / EMBEDDING_HOP_S - 0.5
    inside = (place >= -0.5) & (place < len(stretch.vectors) - 0.5)
    stored, times_s, place = stored[inside], times_s[inside], place[inside]
    left = np.clip(np.floor(place), 0, len(stretch.vectors) - 1).astype(np.int64)
    right = np.minimum(left + 1, len(stretch.vectors) - 1)
    share = np.clip(place - left, 0, 1).astype(np.float32)[:, None]
    mixed = (1 - share) * stretch.audible[left, None] * stretch.vectors[left]
    mixed = mixed + share * stretch.audible[right, None] * stretch.vectors[right]
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
    cosines = np.asarray((mixed * aligned.vectors[stored]).sum(axis=1), np.float32)
    heard = stretch.audible[np.where(share[:, 0] < 0.5, left, right)]
    usual = np.float32(aligned.score - aligned.contrast)
    return Pairs(stretch.start_s + times_s[heard], cosines[heard], cosines[heard] - usual)


@dataclass(frozen=True)
class Interval:
    """A time in which a line is heard, and for how long in it, unheard moments taken off."""

    start_s: float
    end_s: float
    heard_s: float


def gains_s(pairs: Pairs, usual_contrast: float, settings: TimelineSettings) -> Doubles:
    """Seconds [P] that every pair speaks for the line, or against it: at most what it stands for."""
    level = min(usual_contrast / 2, settings.heard_contrast)
    shares = np.clip(pairs.contrasts / max(level, 1e-6) - 1.0, -1.0, 1.0)
    return np.asarray(SEGMENT_HOP_S * shares, np.float64)


def heard_intervals(pairs: Pairs, usual_contrast: float, settings: TimelineSettings) -> list[Interval]:
    """The intervals of greatest evidence: where the sum of gains falls by `drop_s` from its greatest value, one ended.

    This is Page's cumulative sum (1954) with both ends: an interval begins where the sum last was 0 and ends where it
    was greatest.
    """
    gains = gains_s(pairs, usual_contrast, settings)
    found = []
    at = 0
    while at < len(gains):
        start, end, best = _next_rise(gains, pairs.times_s, at, settings)
        if best <= 0:
            break
        if best >= settings.min_heard_s:
            half_s = SEGMENT_HOP_S / 2
            found.append(Interval(float(pairs.times_s[start]) - half_s, float(pairs.times_s[end]) + half_s, best))
        at = end + 1
    return found


def _next_rise(gains: Doubles, times_s: Doubles, at: int, settings: TimelineSettings) -> tuple[int, int, float]:
    """First and last pair of the next rise from `at` on, and its sum; a sum of 0: there is none."""
    start, end, total, best = at, at, 0.0, 0.0
    for place, gain in enumerate(gains[at:].tolist(), at):
        total += gain
        long_silent = best > 0 and times_s[place] - times_s[place - 1] > settings.drop_s
        if best > 0 and (best - total > settings.drop_s or total <= 0 or long_silent):
            return start, end, best
        if total <= 0:
            start, total = place + 1, 0.0
        elif total > best:
            end, best = place, total
    return start, end, best


def bridged(intervals: Iterable[Interval], settings: TimelineSettings) -> list[Interval]:
    """The same, with short gaps closed."""
    found: list[Interval] = []
    for one in intervals:
        if found and one.start_s - found[-1].end_s <= settings.bridge_s:
            last = found.pop()
            one = Interval(last.start_s, one.end_s, last.heard_s + one.heard_s)
        found.append(one)
    return found
