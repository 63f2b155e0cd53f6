"""A clip that is still being heard: asked again and again as it grows, answered as soon as the evidence suffices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching.calibration import Calibration
from serve.matching.contract import Catalogue, Ints, Match, Query
from serve.matching.matcher import judge
from serve.matching.readings import align
from serve.matching.searching import Search, search_together
from serve.matching.settings import MatcherSettings

SETTLED_S = 0.6  # before the end of what was heard: later embeddings change when more is heard


@dataclass(frozen=True)
class Verdict:
    """What is known after `heard_s` seconds: matches best first, accepted or not, and whether to stop listening."""

    heard_s: float
    matches: tuple[Match, ...]
    enough: bool


class Listening:
    """One clip, looked at while it grows; each embedding is searched once.

    Every look is another chance to be wrong, so one is not enough: the answer has to be decisive in `agreeing_looks`
    looks running, of the same recording at the same place.
    """

    def __init__(
        self, catalogue: Catalogue, *, calibration: Calibration, settings: MatcherSettings | None = None
    ) -> None:
        self._catalogue, self._calibration = catalogue, calibration
        self._settings = settings or MatcherSettings()
        self._search = Search(self._settings)
        self._agreed: list[Match] = []

    def hear(self, query: Query) -> Verdict:
        """Judge the clip so far, from its first sample. What the catalogue's callables raise is passed on."""
        new = self._unsearched(query)
        if len(new):
            search_together([(self._search, query, new)], self._catalogue, self._settings.hits)
        alignments, tracks = align(query, self._search.hits(), self._catalogue, self._settings)
        matches = judge(query, alignments, tracks, self._calibration, self._settings)
        return Verdict(len(query.vectors) * EMBEDDING_HOP_S, matches, self._enough(matches))

    def _unsearched(self, query: Query) -> Ints:
        """Audible positions that will not change any more and were not searched yet."""
        settled = max(0, len(query.vectors) - round(SETTLED_S / EMBEDDING_HOP_S))
        return np.setdiff1d(np.flatnonzero(query.audible[:settled]), self._search.searched)

    def _enough(self, matches: tuple[Match, ...]) -> bool:
        best = matches[0] if matches else None
        if best is None or best.confidence < self._settings.decisive_confidence:
            self._agreed = []
            return False
        if self._agreed and not _same_place(self._agreed[-1], best, self._settings):
            self._agreed = []
        self._agreed.append(best)
        return len(self._agreed) >= self._settings.agreeing_looks


def _same_place(a: Match, b: Match, settings: MatcherSettings) -> bool:
    return a.recording_id == b.recording_id and abs(a.offset_s - b.offset_s) <= settings.line_gap_s
