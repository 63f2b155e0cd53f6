"""Phase 2, last part: the switch. Vectors of recordings that nobody publishes any more go afterwards."""

from __future__ import annotations

from ingest.errors import VectorStoreError
from ingest.stores import CatalogStore, Generation, Vectors


def publish(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> int:
    """Make what is loaded answer; the first generation of a catalogue becomes the active one. How many tracks changed.

    A generation beside an active one is only made ready: promoting it is a decision of its own.
    """
    active = catalog.active_generation()
    if active is None:
        changed = catalog.publish(generation.generation_id)
        catalog.mark_ready(generation.generation_id)
        catalog.activate(generation.generation_id)
    elif active.generation_id == generation.generation_id:
        changed = catalog.publish(generation.generation_id)
    else:
        catalog.mark_ready(generation.generation_id)
        return 0
    drop_superseded(generation, catalog, vectors)
    return changed


def drop_superseded(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> None:
    """Delete the vectors of recordings that were replaced or removed."""
    superseded = catalog.superseded(generation.generation_id)
    if superseded:
        vectors.delete_recordings(generation.collection, superseded)
        catalog.forget_loads(generation.generation_id, superseded)


def follow_alias(alias: str, generation: Generation, vectors: Vectors) -> bool:
    """Point the Milvus alias, a convenience for others, at the generation; whether that worked."""
    try:
        vectors.point_alias(alias, generation.collection)
    except VectorStoreError:
        return False
    return True
