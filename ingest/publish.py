"""Phase 2, last part: the switch. Vectors of recordings that nobody publishes any more go afterwards."""

from __future__ import annotations

from ingest.errors import PreflightError, VectorStoreError
from ingest.load import alias_name
from ingest.stores import CatalogStore, Generation, Vectors
from ingest.stores.removal import drop_superseded


def publish(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> int:
    """Make what is loaded answer; the first generation of a catalogue becomes the active one. How many tracks changed.

    A generation beside an active one is only made ready: promoting it is a decision of its own. It takes the place of
    one of the same encoder whose collection is gone.
    """
    active = catalog.active_generation()
    if active is None or active.generation_id == generation.generation_id:
        takes_over = active is None
    elif _is_lost(active, generation, vectors):
        takes_over = True
    else:
        catalog.mark_ready(generation.generation_id)
        return 0
    changed = catalog.publish(generation.generation_id)
    if takes_over:
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


def to_promote(catalog: CatalogStore, vectors: Vectors) -> Generation:
    """The newest generation that is ready. Raises PreflightError if there is none."""
    return _newest(catalog, vectors, "ready", "no generation is ready to be promoted: run with the new encoder first")


def to_roll_back_to(catalog: CatalogStore, vectors: Vectors) -> Generation:
    """The newest generation that answered before. Raises PreflightError if there is none."""
    return _newest(catalog, vectors, "retired", "no earlier generation is left to roll back to")


def prune(catalog: CatalogStore, vectors: Vectors) -> list[str]:
    """Drop the collections of generations that answered before; their names."""
    dropped = []
    for generation in catalog.generations():
        if generation.state == "retired" and vectors.exists(generation.collection):
            vectors.drop(generation.collection)
            dropped.append(generation.collection)
    return dropped


def _is_lost(active: Generation, generation: Generation, vectors: Vectors) -> bool:
    return active.encoder == generation.encoder and not vectors.exists(active.collection)


def _newest(catalog: CatalogStore, vectors: Vectors, state: str, otherwise: str) -> Generation:
    states = [generation for generation in catalog.generations() if generation.state == state]
    found = [generation for generation in states if vectors.exists(generation.collection)]
    if not found:
        raise PreflightError(f"catalogue {catalog.name}: {otherwise}")
    return found[-1]
