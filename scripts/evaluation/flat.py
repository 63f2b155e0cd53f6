"""Exact nearest neighbours in memory: what a FLAT index of Milvus answers, without its round trip."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ingest.stores import SearchHits, StoredRows

BLOCK = 1 << 18  # rows compared at once


class FlatVectors:
    """Named stretches of one array of rows, their keys ascending: a `VectorSearch` of the service."""

    def __init__(self, rows: StoredRows, collections: Mapping[str, slice]) -> None:
        self._collections = {
            name: StoredRows(rows.keys[part], rows.vectors[part], rows.peaks[part])
            for name, part in collections.items()
        }

    def search(self, collection: str, queries: np.ndarray, k: int) -> SearchHits:
        """Shape: queries [Q, D]; hits [Q, k], padded with −1 where there are fewer."""
        rows = self._collections[collection]
        keys, scores = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
        for start in range(0, len(rows.keys), BLOCK):
            found = queries @ rows.vectors[start : start + BLOCK].T
            places = best_places(found, k)
            keys, scores = merged(
                (keys, scores), (rows.keys[start + places], np.take_along_axis(found, places, axis=1)), k
            )
        missing = ((0, 0), (0, max(0, k - keys.shape[1])))
        return SearchHits(np.pad(keys, missing, constant_values=-1), np.pad(scores, missing, constant_values=-1.0))

    def fetch(self, collection: str, keys: np.ndarray) -> StoredRows:
        rows = self._collections[collection]
        wanted = np.unique(keys)
        places = np.searchsorted(rows.keys, wanted)
        present = places < len(rows.keys)
        present[present] = rows.keys[places[present]] == wanted[present]
        places = places[present]
        return StoredRows(rows.keys[places], rows.vectors[places], rows.peaks[places])


def merged(
    some: tuple[np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of both, best first. Shape: keys and scores [Q, n] and [Q, m] → [Q, min(k, n + m)]."""
    keys, scores = np.hstack([some[0], others[0]]), np.hstack([some[1], others[1]])
    places = best_places(scores, k)
    return np.take_along_axis(keys, places, axis=1), np.take_along_axis(scores, places, axis=1)


def best_places(scores: np.ndarray, k: int) -> np.ndarray:
    """Where the k greatest of each row lie, greatest first. Shape: [Q, n] → [Q, min(k, n)]."""
    rest = scores.shape[1] - k
    chosen = np.argpartition(scores, rest, axis=1)[:, rest:] if rest > 0 else np.argsort(scores, axis=1)
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)
