"""The clip as it is and retuned: how far each reading has been searched, and what was found along its lines."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching.contenders import contenders
from serve.matching.contract import Catalogue, Query
from serve.matching.rescoring import Alignment, line_keys, line_length, rescore
from serve.matching.searching import HitList, Search, search_order, search_together
from serve.matching.settings import MatcherSettings
from serve.matching.voting import NO_LINES, Lines, vote


class Reading:
    """One reading of a clip, as far as it was looked at; it lasts `ratio` times as long as the clip."""

    def __init__(self, query: Query, ratio: float, settings: MatcherSettings) -> None:
        self.query, self.ratio = query, ratio
        self.unsearched = search_order(query.audible, settings)  # positions, a batch for each look to come
        self.search = Search(settings)
        self.alignments: list[Alignment] = []  # of the last look
        self.tracks: dict[int, int] = {}  # ids by recording

    @property
    def retuned(self) -> bool:
        return self.ratio != 1.0

    @property
    def strength(self) -> float:
        """Of the best line of the last look."""
        return max((place.strength for place in self.alignments), default=-np.inf)


def look(readings: Sequence[Reading], catalogue: Catalogue, settings: MatcherSettings) -> None:
    """Search the next batch of every reading, all in one request, and score the best lines on what one fetch brings.

    The readings must have something left to search.
    """
    batches = [(one.search, one.query, one.unsearched.pop(0)) for one in readings]
    budgets = [settings.for_look(one.retuned, not one.unsearched) for one in readings]
    search_together(batches, catalogue, max(budget.hits for budget in budgets))
    found = [
        find_lines(one.query, one.search.hits(), catalogue.published, budget)
        for one, budget in zip(readings, budgets, strict=True)
    ]
    wanted = [line_keys(one.query, lines, settings) for one, (lines, _) in zip(readings, found, strict=True)]
    rows = catalogue.fetch(np.unique(np.concatenate(wanted)))
    for one, (lines, tracks) in zip(readings, found, strict=True):
        one.alignments = rescore(one.query, one.ratio, lines, rows, settings)
        one.tracks |= tracks


def align(
    query: Query, hits: HitList, catalogue: Catalogue, settings: MatcherSettings
) -> tuple[list[Alignment], dict[int, int]]:
    """The best lines of the hits of a clip as it is, scored exactly, and the track ids of the recordings."""
    lines, tracks = find_lines(query, hits, catalogue.published, settings)
    rows = catalogue.fetch(line_keys(query, lines, settings))
    return rescore(query, 1.0, lines, rows, settings), tracks


def find_lines(
    query: Query, hits: HitList, published: Callable[[Sequence[int]], Mapping[int, int]], settings: MatcherSettings
) -> tuple[Lines, dict[int, int]]:
    """The most voted lines of the published recordings hit, and these recordings' track ids."""
    clip_s = len(query.vectors) * EMBEDDING_HOP_S
    hits, tracks = contenders(hits, clip_s, published, settings)
    return vote(hits, clip_s, line_length(clip_s, settings), settings) if len(hits) else NO_LINES, tracks


def promising(readings: Iterable[Reading], plain: Reading, settings: MatcherSettings) -> list[Reading]:
    """Retuned readings with more to search that suit a recording better than the clip as it is does."""
    least = plain.strength + settings.promising_lead
    return [one for one in readings if one.unsearched and one.strength >= least]
