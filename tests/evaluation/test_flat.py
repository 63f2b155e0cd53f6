"""Exact search in memory against sorting everything."""

import numpy as np
import pytest

from ingest.stores import StoredRows
from scripts.evaluation import flat
from scripts.evaluation.flat import FlatVectors


def rows(count: int, seed: int = 0) -> StoredRows:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return StoredRows(np.arange(count) * 3 + 5, vectors, rng.integers(0, 99, (count, 16)).astype(np.uint16))


@pytest.mark.parametrize("block", [7, 50, 1_000])
def test_the_nearest_are_found_best_first(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The k best of a stretch, whatever the blocks that it is compared in."""
    monkeypatch.setattr(flat, "BLOCK", block)
    stored, queries = rows(120), rows(9, seed=1).vectors
    hits = FlatVectors(stored, {"a": slice(10, 110)}).search("a", queries, 12)
    scores = queries @ stored.vectors[10:110].T
    order = np.argsort(-scores, axis=1)[:, :12]
    np.testing.assert_array_equal(hits.keys, stored.keys[10:110][order])
    np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, order, axis=1), rtol=1e-5)


def test_fewer_than_asked_for_are_padded() -> None:
    """Where a stretch holds fewer than k, the rest is −1."""
    hits = FlatVectors(rows(5), {"a": slice(0, 3)}).search("a", rows(2).vectors, 6)
    assert (hits.keys[:, 3:] == -1).all() and (hits.scores[:, 3:] == -1).all() and (hits.keys[:, :3] >= 5).all()


def test_only_what_is_stored_is_fetched() -> None:
    """Keys come back ascending with their rows; those of other stretches and of nobody do not."""
    stored = rows(20)
    found = FlatVectors(stored, {"a": slice(0, 10)}).fetch("a", np.array([26, 5, 6, 5, 62, 1_000]))
    assert found.keys.tolist() == [5, 26]
    np.testing.assert_array_equal(found.vectors, stored.vectors[[0, 7]])
    np.testing.assert_array_equal(found.peaks, stored.peaks[[0, 7]])
