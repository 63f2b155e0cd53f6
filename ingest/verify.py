"""Phase 2, second part: does the collection hold what the ledger says, and does it find its own vectors?"""

from __future__ import annotations

import numpy as np

from ingest.errors import VerificationError
from ingest.fingerprint import vector_key
from ingest.stores import CatalogStore, Generation, Vectors

SAMPLED_RECORDINGS = 50
LEAST_SELF_RECALL = 0.98  # an approximate index may miss a few
SAME_VECTOR = 0.999  # cosine; an identical passage elsewhere is as good as the vector itself


def verify(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> None:
    """Raises VerificationError: counts differ, a vector is not of unit length, or a sample does not find itself."""
    expected = catalog.loaded_segments(generation.generation_id)
    stored = vectors.count(generation.collection)
    if stored != expected:
        raise VerificationError(f"{generation.collection} holds {stored} vectors, the ledger says {expected}")
    if expected:
        _check_sample(generation, catalog, vectors)


def _check_sample(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> None:
    sample = vectors.fetch(generation.collection, _sample_keys(generation, catalog), strong=True)
    if not len(sample.keys):
        return
    norms = np.linalg.norm(sample.vectors, axis=1)
    if sample.vectors.shape[1] != generation.dim or np.abs(norms - 1).max() > 0.01:
        raise VerificationError(f"{generation.collection} holds vectors that are not of unit length {generation.dim}")
    hits = vectors.search(generation.collection, sample.vectors, 1, strong=True)
    recall = float(np.mean((hits.keys[:, 0] == sample.keys) | (hits.scores[:, 0] > SAME_VECTOR)))
    if recall < LEAST_SELF_RECALL:
        raise VerificationError(f"{generation.collection} finds only {recall:.0%} of its own vectors")


def _sample_keys(generation: Generation, catalog: CatalogStore) -> np.ndarray:
    """First segments of recordings spread over the collection; silent ones are absent and no evidence."""
    loaded = catalog.loaded_recordings(generation.generation_id)
    step = max(1, len(loaded) // SAMPLED_RECORDINGS)
    return np.array([vector_key(recording, segment) for recording in loaded[::step] for segment in range(4)], np.int64)
