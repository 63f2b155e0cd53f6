"""How tracks leave both stores: for the job's `action=delete`, and for the service's `DELETE /v1/tracks/{id}`.

The caller holds the catalogue's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ingest.stores.records import Generation

if TYPE_CHECKING:
    from collections.abc import Iterable

FILLED = ("active", "ready", "retired")  # one that is being filled passes tombstones over by itself


class RemovableVectors(Protocol):
    """What is asked of the vector store: `ingest.stores.Vectors` is one."""

    def exists(self, collection: str) -> bool: ...

    def delete_recordings(self, collection: str, recording_ids: Iterable[int]) -> None: ...


class RemovableTracks(Protocol):
    """What is asked of the metadata store: `ingest.stores.CatalogStore` is one."""

    def remove_tracks(self, track_ids: Sequence[int]) -> list[int]: ...

    def generations(self) -> list[Generation]: ...

    def superseded(self, generation_id: int) -> list[int]: ...

    def forget_loads(self, generation_id: int, recording_ids: Iterable[int]) -> None: ...


def delete_tracks(track_ids: Sequence[int], catalog: RemovableTracks, vectors: RemovableVectors) -> None:
    """Tombstones first, so that nobody is answered with them; then the vectors, in every generation that was filled.

    Repeating it finishes what was interrupted.
    """
    catalog.remove_tracks(track_ids)
    drop_removed(catalog, vectors)


def drop_removed(catalog: RemovableTracks, vectors: RemovableVectors) -> None:
    """Delete what no track publishes any more from every generation that was filled."""
    for generation in catalog.generations():
        if generation.state in FILLED and vectors.exists(generation.collection):
            drop_superseded(generation, catalog, vectors)


def drop_superseded(generation: Generation, catalog: RemovableTracks, vectors: RemovableVectors) -> None:
    """Delete the vectors of recordings that were replaced or removed."""
    superseded = catalog.superseded(generation.generation_id)
    if superseded:
        vectors.delete_recordings(generation.collection, superseded)
        catalog.forget_loads(generation.generation_id, superseded)
