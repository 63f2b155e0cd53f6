"""Phase 2, first part: embeddings from the lake into the collection of a generation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ingest.config import IngestConfig
from ingest.errors import PreflightError, VerificationError
from ingest.fingerprint import SEGMENT_BITS
from ingest.model import Model
from ingest.stores import CatalogStore, Generation, Lake, LakeVectors, Load, Vectors


def generation_to_fill(catalog: CatalogStore, vectors: Vectors, config: IngestConfig, model: Model) -> Generation:
    """The generation of this encoder that answers, or else the newest, or a new one; its collection exists afterwards.

    A generation whose collection is gone is given up: the lake fills a new one.
    """
    active, generation = catalog.active_generation(), catalog.generation(model.checksum)
    for there in (active, generation):
        if there and there.encoder == model.checksum and vectors.exists(there.collection):
            vectors.finish(there.collection, there.index)
            return there
    if generation is None or catalog.loaded_segments(generation.generation_id):
        return _new_generation(catalog, vectors, model.checksum, model.dim, config.vectors.index)
    vectors.create(generation.collection, generation.dim, generation.index)
    return generation


def generation_to_reindex(catalog: CatalogStore, vectors: Vectors, index: str) -> Generation:
    """Another generation of the encoder that answers: one that was begun, or a new one, calibrated alike.

    Raises PreflightError where nothing answers yet.
    """
    active = catalog.active_generation()
    if active is None:
        raise PreflightError(f"catalogue {catalog.name}: nothing answers yet, so there is nothing to index again")
    generation = catalog.generation(active.encoder)
    begun = generation and (generation.state, generation.index) == ("filling", index)
    if generation is None or not begun or not vectors.exists(generation.collection):
        generation = _new_generation(catalog, vectors, active.encoder, active.dim, index)
    vectors.finish(generation.collection, index)
    catalog.set_calibration(generation.generation_id, active.calibration)
    if index == active.index:
        catalog.set_tuning(generation.generation_id, active.tuning)
    return generation


def _new_generation(catalog: CatalogStore, vectors: Vectors, encoder: str, dim: int, index: str) -> Generation:
    collection = collection_name(catalog.name, encoder, 1 + len(catalog.generations()))
    generation = catalog.create_generation(collection, encoder, dim, index)
    vectors.create(collection, dim, index)
    return generation


def collection_name(catalog: str, encoder: str, number: int) -> str:
    """A name Milvus takes, different for every catalogue, encoder and attempt.

    >>> collection_name("my.songs", "0123456789abcdef", 2)
    'my_songs_3939_01234567_2'
    """
    return f"{alias_name(catalog)}_{encoder[:8]}_{number}"


def alias_name(catalog: str) -> str:
    """The Milvus alias of what a catalogue answers from.

    >>> alias_name("2020")
    'c_2020_73a2'
    """
    slug = re.sub(r"\W", "_", catalog)
    letter_first = slug if slug[0].isalpha() else f"c_{slug}"
    return f"{letter_first}_{hashlib.sha256(catalog.encode()).hexdigest()[:4]}"


def fill(
    generation: Generation, catalog: CatalogStore, vectors: Vectors, lake: Lake, batch_vectors: int
) -> Iterator[int]:
    """Upsert what is done and not yet loaded; yields the number of vectors after each batch.

    The ledger's loads follow the upsert, so a batch that was interrupted is upserted again, under the same keys. The
    flush follows them all: a collection that was never published is flushed although nothing was left to load.
    """
    batch: list[Load] = []
    for batch in batches(catalog.to_load(generation.generation_id), batch_vectors):
        upsert(batch, generation, vectors, lake)
        catalog.mark_loaded(generation.generation_id, segments_of(batch))
        yield sum(segments_of(batch).values())
    if batch or generation.state == "filling":
        vectors.flush(generation.collection)


def batches(loads: Iterable[Load], batch_vectors: int) -> Iterator[list[Load]]:
    """Whole recordings, about `batch_vectors` vectors at a time."""
    batch: list[Load] = []
    size = 0
    for load in loads:
        if batch and size + load.segments > batch_vectors:
            yield batch
            batch, size = [], 0
        batch.append(load)
        size += load.segments
    if batch:
        yield batch


def read_batch(batch: Sequence[Load], generation: Generation, lake: Lake) -> LakeVectors:
    """What the lake holds of these recordings, each key once. VerificationError: not what the ledger says."""
    parts = list(lake.read(generation.encoder, {load.recording_id: load.lake_files for load in batch}))
    # A retried stage may have written a window into two files that are both named, for other windows.
    keys, places = np.unique(np.concatenate([part.keys for part in parts]), return_index=True)
    _check_counts(batch, keys)
    rows = np.concatenate([part.vectors for part in parts])[places]
    peaks = np.concatenate([part.peaks for part in parts])[places]
    return LakeVectors(keys, rows, peaks)


def upsert(batch: Sequence[Load], generation: Generation, vectors: Vectors, lake: Lake) -> None:
    """Write what the lake holds of these recordings; `mark_loaded` follows. Raises LakeError, VerificationError,
    VectorStoreError.
    """
    held = read_batch(batch, generation, lake)
    replaced = [load.recording_id for load in batch if load.replaces]
    if replaced:  # the keys of before need not be those of now
        vectors.delete_recordings(generation.collection, replaced)
    vectors.upsert(generation.collection, held.keys, held.vectors, held.peaks)


def segments_of(batch: Sequence[Load]) -> dict[int, int]:
    """What the ledger is told of them once they are loaded."""
    return {load.recording_id: load.segments for load in batch}


def _check_counts(batch: Sequence[Load], keys: np.ndarray) -> None:
    owners, counts = np.unique(keys >> SEGMENT_BITS, return_counts=True)
    read = dict(zip(owners.tolist(), counts.tolist(), strict=True))
    wrong = [load.recording_id for load in batch if read.get(load.recording_id, 0) != load.segments]
    if wrong:
        raise VerificationError(f"the lake does not hold what the ledger says of recordings {wrong[:10]}")
