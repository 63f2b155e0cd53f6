"""What goes on in the pipeline: how busy its stages are, and what is in it; for the progress line and for Prometheus.

Work becomes known with the receipts, when it is in the lake, and many windows' work at once: each telling is of the
time since the one before. So the time that is looked at begins and ends with one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

RECENT_S = 60.0  # that is looked at; more where receipts come less often


class _Told(NamedTuple):
    """By `at_s` so much work was known of, by stage."""

    at_s: float
    busy_s: Mapping[str, float]


class Flow:
    """Fed by the driver, read from any thread. `actors` work in each stage; `clock` counts seconds."""

    def __init__(self, actors: Mapping[str, int], clock: Callable[[], float] = time.monotonic) -> None:
        self.files = 0  # that went in and did not come out
        self.begun = 0  # of these, files with some of their windows in the lake
        self._actors, self._clock = actors, clock
        self._told = deque([_Told(clock(), {})])
        self._guard = threading.Lock()

    def enter(self, files: int) -> None:
        """So many files go into the pipeline."""
        self.files += files

    def leave(self, files: int, begun: int, busy_s: Mapping[str, float]) -> None:
        """So many came out, so many are there in part, and so long the stages worked that nobody had told of yet."""
        self.files -= files
        self.begun = begun
        with self._guard:
            now_s, known = self._clock(), self._told[-1].busy_s
            self._told.append(_Told(now_s, {**known, **{name: known.get(name, 0.0) + busy_s[name] for name in busy_s}}))
            while self._told[1].at_s <= now_s - RECENT_S:
                self._told.popleft()

    def utilisation(self) -> dict[str, float]:
        """Share of the recent time that the actors of each stage worked, at most 1; none of a stage without work.

        Nothing, too, where nothing was told for longer than the time that was looked at: it may have changed since.
        """
        with self._guard:
            first, last = self._told[0], self._told[-1]
        looked_at_s = last.at_s - first.at_s
        if self._clock() - last.at_s > max(RECENT_S, looked_at_s):
            return {}
        worked = {stage: busy_s - first.busy_s.get(stage, 0.0) for stage, busy_s in last.busy_s.items()}
        found = shares(worked, self._actors, looked_at_s)
        return {stage: min(1.0, share) for stage, share in found.items() if share > 0}

    def parts(self) -> list[str]:
        """For the progress line."""
        said = [f"{stage} {100 * share:.0f} %" for stage, share in self.utilisation().items()]
        if self.files:
            begun = f", {self.begun:,} of them in part in the lake" if self.begun else ""
            said.append(f"{self.files:,} files in the pipeline{begun}")
        return said


def shares(busy_s: Mapping[str, float], actors: Mapping[str, int], elapsed_s: float) -> dict[str, float]:
    """Share of the time that the actors of each stage worked; nothing if no time went by."""
    if not elapsed_s > 0:
        return {}
    return {stage: spent / (elapsed_s * actors.get(stage, 1)) for stage, spent in busy_s.items()}
