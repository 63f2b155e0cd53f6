"""From the embeddings of a clip to hits: which are searched, in which order, and what of the hits counts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import SEGMENT_BITS, STORED_STRIDE
from serve.matching.contract import Bools, Catalogue, Floats, Ints, Query
from serve.matching.settings import MatcherSettings


@dataclass(frozen=True)
class HitList:
    """Hits of all embeddings, sorted by position and key, each once."""

    positions: Ints  # [V], of the embedding in the clip
    recordings: Ints  # [V]
    segments: Ints  # [V]
    scores: Floats  # [V]

    def __len__(self) -> int:
        return len(self.positions)

    def of(self, keep: Bools) -> "HitList":
        """Those that `keep` [V] marks."""
        return HitList(self.positions[keep], self.recordings[keep], self.segments[keep], self.scores[keep])


class Search:
    """Hits gathered batch by batch; nothing is searched twice."""

    def __init__(self, catalogue: Catalogue, settings: MatcherSettings) -> None:
        self._catalogue, self._settings = catalogue, settings
        self._positions: Ints = np.empty(0, np.int64)
        self._keys: Ints = np.empty(0, np.int64)
        self._scores: Floats = np.empty(0, np.float32)
        self.searched: Ints = np.empty(0, np.int64)  # positions, in the order they were searched in

    def add(self, reading: Query, positions: Ints) -> None:
        """Search the embeddings at `positions` [Q] of the reading, in one batch."""
        hits = self._catalogue.search(reading.vectors[positions], self._settings.hits)
        self.searched = np.concatenate([self.searched, positions])
        self._keys = np.concatenate([self._keys, np.asarray(hits.keys, np.int64).ravel()])
        self._scores = np.concatenate([self._scores, np.asarray(hits.scores, np.float32).ravel()])
        self._positions = np.concatenate([self._positions, np.repeat(positions, hits.keys.shape[1])])

    def hits(self) -> HitList:
        """All hits so far."""
        return hit_list(self._positions, self._keys, self._scores, self._settings.noise_floor)


def searches(reading: Query, catalogue: Catalogue, settings: MatcherSettings) -> Iterator[tuple[HitList, int]]:
    """The hits so far and the embeddings searched for them, first for a quarter of the reading, then for all.

    Nothing is searched before it is asked for, and nothing silent.
    """
    search = Search(catalogue, settings)
    for chosen in search_order(reading.audible, settings):
        search.add(reading, chosen)
        yield search.hits(), len(chosen)


def search_order(audible: Bools, settings: MatcherSettings) -> list[Ints]:
    """Positions to search in turn: a quarter and the rest, or all at once where that is too few."""
    positions = np.flatnonzero(audible)
    if not len(positions):
        return []
    if len(positions) > settings.max_searched:
        spread = np.linspace(0, len(positions) - 1, settings.max_searched).round().astype(np.int64)
        positions = positions[spread]
    first = in_quarter(positions)
    if first.sum() < settings.first_search:
        return [positions]
    return [positions[first], positions[~first]]


def in_quarter(positions: Ints) -> Bools:
    """Which positions are of the first search: one in every STORED_STRIDE.

    A clip's grid lies on the stored one at an unknown phase, and only every STORED_STRIDE-th embedding lies
    next to a stored one. So the phase moves up by one from each four to the next, then down again, and all
    are met:

    >>> np.flatnonzero(in_quarter(np.arange(32))).tolist()
    [0, 5, 10, 15, 19, 22, 25, 28]
    """
    block, phase = np.divmod(positions, STORED_STRIDE)
    rising = block % (2 * STORED_STRIDE)
    return np.asarray(np.minimum(rising, 2 * STORED_STRIDE - 1 - rising) == phase)


def hit_list(positions: Ints, keys: Ints, scores: Floats, noise_floor: float) -> HitList:
    """Hits [V] without padding, without what does not rise above the noise, each (position, key) once."""
    counts = (keys >= 0) & (scores > noise_floor)
    positions, keys, scores = positions[counts], keys[counts], scores[counts]
    order = np.lexsort((-scores, keys, positions))
    positions, keys, scores = positions[order], keys[order], scores[order]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (np.diff(keys) != 0) | (np.diff(positions) != 0)
    return HitList(
        positions[fresh], keys[fresh] >> SEGMENT_BITS, keys[fresh] & ((1 << SEGMENT_BITS) - 1), scores[fresh]
    )
