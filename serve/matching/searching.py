"""From the embeddings of a clip to hits: which are searched, in which order, and what of the hits counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import SEGMENT_BITS, STORED_STRIDE
from serve.matching.contract import Bools, Catalogue, Floats, Ints, Query
from serve.matching.settings import MatcherSettings


@dataclass(frozen=True)
class HitList:
    """Hits of all embeddings, sorted by position and key, each once.

    A hit weighs as much as it scores above its embedding's floor.
    """

    positions: Ints  # [V], of the embedding in the clip
    recordings: Ints  # [V]
    segments: Ints  # [V]
    weights: Floats  # [V], above 0

    def __len__(self) -> int:
        return len(self.positions)

    def of(self, keep: Bools) -> "HitList":
        """Those that `keep` [V] marks."""
        return HitList(self.positions[keep], self.recordings[keep], self.segments[keep], self.weights[keep])


class Search:
    """Hits of one reading, gathered batch by batch; nothing is searched twice."""

    def __init__(self, settings: MatcherSettings) -> None:
        self._settings = settings
        self._positions: Ints = np.empty(0, np.int64)
        self._keys: Ints = np.empty(0, np.int64)
        self._scores: Floats = np.empty(0, np.float32)
        self._floors: Floats = np.empty(0, np.float32)
        self.searched: Ints = np.empty(0, np.int64)  # positions, in the order they were searched in

    def take(self, positions: Ints, keys: Ints, scores: Floats) -> None:
        """Hits [Q, k] of the embeddings at `positions` [Q]."""
        each = keys.shape[1]
        self.searched = np.concatenate([self.searched, positions])
        self._keys = np.concatenate([self._keys, keys.ravel()])
        self._scores = np.concatenate([self._scores, scores.ravel()])
        self._floors = np.concatenate([self._floors, np.repeat(floors(keys, scores, self._settings), each)])
        self._positions = np.concatenate([self._positions, np.repeat(positions, each)])

    def hits(self) -> HitList:
        """All hits so far."""
        return hit_list(self._positions, self._keys, self._scores, self._floors)


def search_together(batches: Sequence[tuple[Search, Query, Ints]], catalogue: Catalogue, hits_each: int) -> None:
    """Search embeddings of several readings, those at the positions [Q] of each, in one request."""
    queries = np.concatenate([reading.vectors[positions] for _, reading, positions in batches])
    hits = catalogue.search(queries, hits_each)
    keys, scores = np.asarray(hits.keys, np.int64), np.asarray(hits.scores, np.float32)
    ends = np.cumsum([len(positions) for _, _, positions in batches])
    for (search, _, positions), end in zip(batches, ends.tolist(), strict=True):
        own = slice(end - len(positions), end)
        search.take(positions, keys[own], scores[own])


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


def floors(keys: Ints, scores: Floats, settings: MatcherSettings) -> Floats:
    """Floor [Q] of each embedding's hits [Q, k], most of the way to the last of them.

    An embedding of noise has a hundred hits that are nearly alike, and they tell nothing. That they may be a hundred
    copies of the right passage is why they keep some weight.
    """
    least = np.min(np.where(keys >= 0, scores, np.inf), axis=1, initial=np.inf)
    above = np.where(np.isfinite(least), np.maximum(least - settings.noise_floor, 0), 0)
    return np.asarray(settings.noise_floor + settings.last_hit * above, np.float32)


def hit_list(positions: Ints, keys: Ints, scores: Floats, floors: Floats | float) -> HitList:
    """Hits [V] without padding, without what does not rise above its floor, each (position, key) once."""
    weights = scores - floors
    counts = (keys >= 0) & (weights > 0)
    positions, keys, weights = positions[counts], keys[counts], weights[counts]
    order = np.lexsort((-weights, keys, positions))
    positions, keys, weights = positions[order], keys[order], weights[order]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (np.diff(keys) != 0) | (np.diff(positions) != 0)
    return HitList(
        positions[fresh], keys[fresh] >> SEGMENT_BITS, keys[fresh] & ((1 << SEGMENT_BITS) - 1), weights[fresh]
    )
