"""Filling, verifying, promoting and rolling back generations on real stores, without Ray."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ingest.errors import PreflightError, VerificationError
from ingest.fingerprint import vector_key
from ingest.load import fill
from ingest.publish import activate, drop_superseded, publish, to_promote, to_roll_back_to
from ingest.stores import (
    CatalogStore,
    Done,
    Generation,
    Lake,
    LakeConfig,
    LakeUnit,
    MetadataConfig,
    SourceFile,
    Vectors,
    VectorsConfig,
    open_lake,
    open_metadata,
    open_vectors,
)
from ingest.verify import verify
from tests.stores.rows import random_peaks

pytestmark = pytest.mark.integration
DIM, SEGMENTS = 16, 6


@dataclass(frozen=True)
class Shop:
    """A home with its three stores, and jobs of one encoder done by hand."""

    catalog: CatalogStore
    vectors: Vectors
    lake: Lake

    def embed(self, encoder: str, versions: dict[str, str]) -> None:
        """List these uris at these versions and commit embeddings of what is new."""
        self.catalog.register([SourceFile(uri, version, 1) for uri, version in versions.items()], "run")
        for work in list(self.catalog.pending(encoder)):
            rng = np.random.default_rng([work.recording_id, *encoder.encode()])
            vectors = rng.standard_normal((SEGMENTS, DIM)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            peaks = random_peaks(SEGMENTS, seed=work.recording_id)
            unit = LakeUnit(work.recording_id, 0, np.arange(SEGMENTS, dtype=np.int32), vectors, peaks)
            file = self.lake.write(encoder, [unit]).file
            self.catalog.commit(encoder, [Done(work.recording_id, SEGMENTS, 1, (file,), 3.0)], [], "run")

    def generation(self, encoder: str, collection: str) -> Generation:
        self.vectors.create(collection, DIM)
        return self.catalog.create_generation(collection, encoder, DIM, "FLAT")

    def fill(self, generation: Generation) -> None:
        list(fill(generation, self.catalog, self.vectors, self.lake, batch_vectors=2 * SEGMENTS))
        verify(generation, self.catalog, self.vectors)

    def switch(self, generation: Generation) -> None:
        self.fill(generation)
        activate(generation, self.catalog, self.vectors)
        drop_superseded(generation, self.catalog, self.vectors)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_metadata(MetadataConfig(), tmp_path) as metadata, open_vectors(VectorsConfig(), tmp_path) as vectors:
        yield Shop(metadata.catalog("default"), vectors, open_lake(LakeConfig(), tmp_path))


def test_a_second_generation_waits_until_it_is_promoted_and_can_be_rolled_back(shop: Shop) -> None:
    """What came after the fill is in both sides after promote and rollback, and one pointer says which one answers."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    assert publish(first, shop.catalog, shop.vectors) == 2
    with pytest.raises(PreflightError, match="no generation is ready"):
        to_promote(shop.catalog)

    shop.embed("new", {"a": "1", "b": "1"})
    second = shop.generation("new", "second")
    shop.fill(second)
    assert publish(second, shop.catalog, shop.vectors) == 0
    active = shop.catalog.active_generation()
    assert active is not None and active.collection == "first"

    for encoder in ("old", "new"):
        shop.embed(encoder, {"a": "2", "b": "1", "c": "1"})
    shop.switch(to_promote(shop.catalog))
    assert _answers(shop) == ("second", {"a", "b", "c"}, 3 * SEGMENTS)
    shop.switch(to_roll_back_to(shop.catalog))
    assert _answers(shop) == ("first", {"a", "b", "c"}, 3 * SEGMENTS)


def test_a_collection_that_lost_vectors_is_not_published(shop: Shop) -> None:
    """When the collection holds less than the ledger says, verification fails, by name and number."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    shop.vectors.delete_recordings("first", [1])
    with pytest.raises(VerificationError, match="first holds 6 vectors, the ledger says 12"):
        verify(first, shop.catalog, shop.vectors)


def test_loading_again_what_was_loaded_but_not_recorded_changes_nothing(shop: Shop) -> None:
    """A kill between the upsert and the ledger's row: the second load writes the same keys."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    keys = np.array([vector_key(1, 0), vector_key(2, 5)])
    before = shop.vectors.fetch("first", keys)
    shop.catalog.forget_loads(first.generation_id, [1, 2])
    shop.fill(first)
    assert shop.vectors.count("first") == 2 * SEGMENTS
    after = shop.vectors.fetch("first", keys)
    assert np.array_equal(after.vectors, before.vectors)
    assert np.array_equal(after.peaks, before.peaks)
    assert np.array_equal(after.peaks, [random_peaks(SEGMENTS, seed=1)[0], random_peaks(SEGMENTS, seed=2)[5]])


def _answers(shop: Shop) -> tuple[str, set[str], int]:
    """Collection that answers, the uris it answers with, the vectors it holds."""
    active = shop.catalog.active_generation()
    assert active is not None
    uris = {track.uri for track in shop.catalog.lookup(range(1, 20)).values()}
    return active.collection, uris, shop.vectors.count(active.collection)
