"""Phase 2, second part: does the collection hold what the ledger says, and does it find its own vectors?"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ingest.errors import VerificationError
from ingest.fingerprint import vector_key
from ingest.stores import CatalogStore, Generation, Vectors

SAMPLED_RECORDINGS = 50
LEAST_SELF_RECALL = 0.98  # an approximate index may miss a few
SAME_VECTOR = 0.999  # cosine; an identical passage elsewhere is as good as the vector itself


@dataclass(frozen=True)
class Verified:
    """What was found: vectors stored, share of a sample that finds itself, and what a vector of it took to search."""

    vectors: int
    self_recall: float = 1.0
    search_ms: float = 0.0


def verify(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> Verified:
    """Raises VerificationError: counts differ, a vector is not of unit length, or a sample does not find itself."""
    expected = catalog.loaded_segments(generation.generation_id)
    stored = vectors.count(generation.collection)
    if stored != expected:
        raise VerificationError(f"{generation.collection} holds {stored} vectors, the ledger says {expected}")
    return _check_sample(generation, catalog, vectors, stored) if expected else Verified(0)


def _check_sample(generation: Generation, catalog: CatalogStore, vectors: Vectors, stored: int) -> Verified:
    sample = vectors.fetch(generation.collection, _sample_keys(generation, catalog), strong=True)
    if not len(sample.keys):
        return Verified(stored)
    norms = np.linalg.norm(sample.vectors, axis=1)
    if sample.vectors.shape[1] != generation.dim or np.abs(norms - 1).max() > 0.01:
        raise VerificationError(f"{generation.collection} holds vectors that are not of unit length {generation.dim}")
    vectors.search(generation.collection, sample.vectors[:1], 1, strong=True)  # what is awaited once is not its cost
    started = time.perf_counter()
    hits = vectors.search(generation.collection, sample.vectors, 1)
    search_ms = 1_000 * (time.perf_counter() - started) / len(sample.keys)
    recall = float(np.mean((hits.keys[:, 0] == sample.keys) | (hits.scores[:, 0] > SAME_VECTOR)))
    if recall < LEAST_SELF_RECALL:
        raise VerificationError(f"{generation.collection} finds only {recall:.0%} of its own vectors")
    return Verified(stored, recall, search_ms)


def _sample_keys(generation: Generation, catalog: CatalogStore) -> np.ndarray:
    """First segments of recordings spread over the collection; silent ones are absent and no evidence."""
    loaded = catalog.loaded_recordings(generation.generation_id)
    step = max(1, len(loaded) // SAMPLED_RECORDINGS)
    return np.array([vector_key(recording, segment) for recording in loaded[::step] for segment in range(4)], np.int64)
