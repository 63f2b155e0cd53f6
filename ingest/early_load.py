"""Phase 2, begun early: while files are being embedded, those that the ledger has are loaded by upsert, in a thread.

It only takes work off phase 2, which loads whatever is left, and meets again, and raises, what failed here. Left are
always: what replaces vectors that answer, and the batch that is not full yet, so that the flush of phase 2 comes after
everything that was written here, also in the next run if this one is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from typing import Self

from conf.events import events
from ingest.bulk_load import imports_possible
from ingest.config import IngestConfig
from ingest.errors import InfrastructureError, VectorStoreError
from ingest.job_stores import Stores
from ingest.load import batches, generation_to_fill, segments_of, upsert
from ingest.model import Model
from ingest.runs import Run
from ingest.stores import Done, Generation, Load

WAITING = 1_000  # commits; what a store that is slower than embedding does not get to is left as well
IDLE_S = 0.5  # within which a thread that has no batch in hand ends
GIVEN_UP_S = 10.0  # for the batch in hand, where the run has failed or is stopped

log = events(__name__)


def generation_to_load_early(config: IngestConfig, stores: Stores, model: Model) -> Generation | None:
    """The generation that phase 2 will fill, if that is by upsert; none if the vector store cannot be asked.

    Imports want a collection that is filled at once, and how much there will be is not known before.
    """
    try:
        generation = generation_to_fill(stores.catalog, stores.vectors, config, model)
    except VectorStoreError as error:
        log.warning("nothing is loaded early", reason=str(error))
        return None
    return None if imports_possible(generation, stores.catalog, config.vectors) else generation


class EarlyLoad:
    """Context manager around embedding; does nothing without a generation."""

    def __init__(self, generation: Generation | None, stores: Stores, current: Run, batch_vectors: int) -> None:
        self._stores, self._current, self._batch_vectors = stores, current, batch_vectors
        self._told: SimpleQueue[list[int] | None] = SimpleQueue()
        self._ending = threading.Event()  # no other batch is begun
        self._given_up = threading.Event()  # nothing is written to the ledger: its lock may be somebody else's
        self._thread: threading.Thread | None = None
        if generation:
            work = (self._run, generation)
            self._thread = threading.Thread(target=copy_context().run, args=work, name="early load", daemon=True)

    def committed(self, done: Sequence[Done]) -> None:
        """The ledger has these now."""
        if self._thread and done and self._told.qsize() < WAITING:
            self._told.put([one.recording_id for one in done])

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """The batch in hand is finished; where the run has failed it is waited for a while only."""
        if not self._thread:
            return
        self._ending.set()
        self._told.put(None)
        try:
            self._thread.join(IDLE_S)
            if failure is None and self._thread.is_alive():
                with self._current.stage("load"):
                    self._thread.join()
        finally:
            self._thread.join(GIVEN_UP_S)
            self._given_up.set()

    def _run(self, generation: Generation) -> None:
        try:
            for batch in batches(self._loads(generation.generation_id), self._batch_vectors):
                if self._ending.is_set():
                    return
                self._load(batch, generation)
        except InfrastructureError as error:
            log.warning("loading early has ended", reason=str(error))

    def _load(self, batch: Sequence[Load], generation: Generation) -> None:
        upsert(batch, generation, self._stores.vectors, self._stores.lake)
        if not self._given_up.is_set():
            self._stores.catalog.mark_loaded(generation.generation_id, segments_of(batch))
            self._current.record.counts.loaded_early += sum(segments_of(batch).values())

    def _loads(self, generation_id: int) -> Iterator[Load]:
        """What is new to the collection, until the end."""
        for load in self._waiting(generation_id):
            if self._ending.is_set():
                return
            if not load.replaces:
                yield load

    def _waiting(self, generation_id: int) -> Iterator[Load]:
        """What earlier runs left, once this one has committed something; then what it commits."""
        catalog, recordings = self._stores.catalog, self._told.get()
        if recordings:
            yield from catalog.to_load(generation_id, but_of=self._current.record.run_id)
        while recordings:
            yield from catalog.to_load_among(generation_id, recordings)
            recordings = self._told.get()
