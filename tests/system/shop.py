"""A home with its three stores, and jobs done on it by hand, without Ray."""

from dataclasses import dataclass

import numpy as np

from ingest.load import fill
from ingest.publish import activate
from ingest.stores import CatalogStore, Done, Generation, Lake, LakeUnit, SourceFile, Vectors
from ingest.stores.removal import drop_superseded
from ingest.verify import verify
from tests.stores.rows import random_peaks

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
        found = verify(generation, self.catalog, self.vectors)
        assert (found.vectors, found.self_recall) == (self.catalog.loaded_segments(generation.generation_id), 1.0)
        assert found.search_ms > 0 or not found.vectors

    def switch(self, generation: Generation) -> None:
        self.fill(generation)
        activate(generation, self.catalog, self.vectors)
        drop_superseded(generation, self.catalog, self.vectors)

    def answers(self) -> tuple[str, set[str], int]:
        """Collection that answers, the uris it answers with, the vectors it holds."""
        active = self.catalog.active_generation()
        assert active is not None
        uris = {track.uri for track in self.catalog.lookup(range(1, 20)).values()}
        return active.collection, uris, self.vectors.count(active.collection)
