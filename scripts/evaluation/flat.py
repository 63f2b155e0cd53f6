"""Exact nearest neighbours in memory: what a FLAT index of Milvus answers, without its round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ingest.fingerprint import SEGMENT_BITS
from ingest.stores import SearchHits
from scripts.evaluation.tracks import EvaluatedTrack
from serve.matching import Catalogue


class FlatIndex:
    """Track i of the collection is recording (and track) i + 1."""

    def __init__(self, tracks: Sequence[EvaluatedTrack], indexed: Sequence[int]) -> None:
        self.keys = np.concatenate([(i + 1 << SEGMENT_BITS) + tracks[i].segments.astype(np.int64) for i in indexed])
        self.vectors = np.concatenate([tracks[i].vectors for i in indexed])
        self.recordings = frozenset(i + 1 for i in indexed)

    def catalogue(self) -> Catalogue:
        return Catalogue(self.search, self.fetch, self.published)

    def search(self, queries: np.ndarray, k: int) -> SearchHits:
        scores = queries @ self.vectors.T
        best = np.argpartition(-scores, k, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        return SearchHits(self.keys[best], np.take_along_axis(scores, best, axis=1))

    def fetch(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = np.searchsorted(self.keys, keys)
        places = np.unique(places[(places < len(self.keys))])
        places = places[np.isin(self.keys[places], keys)]
        return self.keys[places], self.vectors[places]

    def published(self, recording_ids: Sequence[int]) -> Mapping[int, int]:
        return {number: number for number in recording_ids if number in self.recordings}
