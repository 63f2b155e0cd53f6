"""Where the vectors of both folds are searched: in memory, or in two collections of a Milvus that are dropped again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ingest.fingerprint.architecture import read_architecture
from ingest.stores import open_vectors
from scripts.evaluation.flat import FlatVectors
from scripts.evaluation.folds import FOLDS, Collection
from scripts.evaluation.options import AskConfig
from serve.recogniser import VectorSearch

FLAT = "flat"


@dataclass(frozen=True)
class Place:
    """How a process reaches the vectors: the collection of each fold, and the store that they are in."""

    names: tuple[str, str]
    remote: bool


@contextmanager
def filled(config: AskConfig, collection: Collection) -> Iterator[Place]:
    """While it is open, the vectors of both folds can be searched. Raises VectorStoreError, ConfigurationError."""
    if config.store == FLAT:
        yield Place((f"{FLAT}_0", f"{FLAT}_1"), remote=False)
        return
    run = uuid.uuid4().hex[:12]
    place = Place((f"evaluate_{run}_0", f"evaluate_{run}_1"), remote=True)
    dim = read_architecture(config.weights)[0].network.dim
    rows = collection.rows()
    with ExitStack() as cleaning:
        vectors = cleaning.enter_context(open_vectors(config.vectors, config.out_path))
        for fold, name in zip(FOLDS, place.names, strict=True):
            part = collection.rows_of(fold)
            cleaning.callback(vectors.drop, name)
            vectors.create(name, dim)
            vectors.upsert(name, rows.keys[part], rows.vectors[part], rows.peaks[part])
            vectors.flush(name)
        yield place


def reach(config: AskConfig, collection: Collection, place: Place) -> VectorSearch:
    """The store as one process asks it."""
    if place.remote:
        return open_vectors(config.vectors, config.out_path)
    return FlatVectors(collection.rows(), {name: collection.rows_of(fold) for fold, name in enumerate(place.names)})
