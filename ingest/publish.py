"""Phase 2, last part: the switch. Vectors of recordings that nobody publishes any more go afterwards."""

from __future__ import annotations

from ingest.errors import PreflightError, VectorStoreError
from ingest.load import alias_name
from ingest.stores import CatalogStore, Generation, Vectors
from ingest.stores.removal import drop_superseded


def publish(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> int:
    """Make what is loaded answer; the first generation of a catalogue becomes the active one. How many tracks changed.

    A generation beside an active one is only made ready: promoting it is a decision of its own.
    """
    active = catalog.active_generation()
    if active is not None and active.generation_id != generation.generation_id:
        catalog.mark_ready(generation.generation_id)
        return 0
    changed = catalog.publish(generation.generation_id)
    if active is None:
        activate(generation, catalog, vectors)
    drop_superseded(generation, catalog, vectors)
    return changed


def activate(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> None:
    """Move the pointer that the service watches; the Milvus alias, a convenience for others, follows if it can."""
    catalog.activate(generation.generation_id)
    try:
        vectors.point_alias(alias_name(catalog.name), generation.collection)
    except VectorStoreError:
        return  # nothing of ours goes by the alias


def to_promote(catalog: CatalogStore) -> Generation:
    """The newest generation that is ready. Raises PreflightError if there is none."""
    return _newest(catalog, "ready", "no generation is ready to be promoted: run with the new encoder first")


def to_roll_back_to(catalog: CatalogStore) -> Generation:
    """The newest generation that answered before. Raises PreflightError if there is none."""
    return _newest(catalog, "retired", "no earlier generation is left to roll back to")


def _newest(catalog: CatalogStore, state: str, otherwise: str) -> Generation:
    found = [generation for generation in catalog.generations() if generation.state == state]
    if not found:
        raise PreflightError(f"catalogue {catalog.name}: {otherwise}")
    return found[-1]
