"""What the catalogue serves now: the metadata store's pointer, watched, and followed whole."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from conf.events import events
from ingest.fingerprint import RefrainError
from ingest.stores import Generation, InfrastructureError, MetadataError, VectorStoreError
from ingest.stores.removal import RemovableVectors
from serve.config import HealthConfig, LookupConfig
from serve.directory import Directory, PublishingCatalog
from serve.guarded import GuardedVectors
from serve.matching import MatcherSettings
from serve.problems import EncoderAway, NotReady, Overloaded, ServiceError
from serve.recogniser import Recogniser, VectorSearch
from serve.standing import OK, Standing
from serve.tuning import Tuning

log = events(__name__)


class LoadableVectors(VectorSearch, RemovableVectors, Protocol):
    """The vector store as a generation is prepared on it."""

    def load(self, collection: str) -> None: ...

    def with_search_params(self, params: Mapping[str, Any]) -> VectorSearch: ...

    def released(self, collection: str, timeout_s: float | None = None) -> bool: ...

    def count(self, collection: str, *, strong: bool = True) -> int: ...

    def server_version(self, timeout_s: float | None = None) -> str: ...

    def close(self) -> None: ...


class PointedCatalog(PublishingCatalog, Protocol):
    """The metadata store as the watcher sees it."""

    def active_generation(self) -> Generation | None: ...


class Encoders(Protocol):
    """Who embeds the queries."""

    async def checksums(self) -> frozenset[str]: ...


class CannotServe(Exception):
    """A generation that this service is not made for."""


class Generations:
    """The generation that answers; a request takes `serving()` once and keeps to it.

    A new one is prepared first (its encoder is there, its collection is loaded and can be searched as it is tuned) and
    then replaces the old one in one assignment. One that cannot be prepared is tried again at every look, while the old
    one goes on answering.
    """

    def __init__(
        self,
        catalog: PointedCatalog,
        open_vectors: Callable[[], LoadableVectors],
        encoders: Encoders,
        settings: MatcherSettings,
        lookups: LookupConfig,
        health: HealthConfig,
    ) -> None:
        self.directory = Directory(catalog, lookups)
        self._catalog = catalog
        self._open_vectors = open_vectors
        self._encoders = encoders
        self._settings = settings
        self._timeout_s = health.timeout_s
        self._metadata = Standing(health.failures)
        self._store = Standing(health.failures, OK)
        self._encoder = Standing(health.failures, OK)
        self._generation = "not looked at yet"
        self._vectors: LoadableVectors | None = None
        self._opening = threading.Lock()
        self._recogniser: Recogniser | None = None
        self._stale = False  # the vector store was away, or has released the collection: it is to be loaded again
        self._looked = False
        self._hindrance: RefrainError = NotReady(self._generation)  # why nothing is served yet

    @property
    def checks(self) -> dict[str, str]:
        """What was looked at: OK, or what is wrong."""
        metadata = self._metadata.state
        if not self._metadata.there and self.directory.stands_in:
            metadata = f"{metadata} (answers come without names)"
        return {
            "metadata": metadata,
            "generation": self._generation,
            "vectors": self._store.state,
            "encoder": self._encoder.state,
        }

    @property
    def _named(self) -> bool:
        return self._metadata.there or self.directory.stands_in

    @property
    def ready(self) -> bool:
        """Whether queries are answered, if only without names."""
        parts = self._store.there and self._encoder.there
        return self._looked and self._named and parts and self._generation == OK

    @property
    def degraded(self) -> bool:
        """Whether that is without names."""
        return self.ready and not self._metadata.there

    @property
    def code(self) -> str | None:
        """Of what queries are refused for, or answered in part without; None: nothing."""
        if not self._looked:
            return self._hindrance.code
        parts = (
            (self._named, MetadataError.code),
            (self._store.there, VectorStoreError.code),
            (self._encoder.there, EncoderAway.code),
            (self._generation == OK, NotReady.code),
            (self._metadata.there, MetadataError.code),
        )
        return next((code for there, code in parts if not there), None)

    def serving(self) -> Recogniser | None:
        """None: the catalogue has no generation yet. Raises, while that is not known, what stands in the way."""
        if self._recogniser is None and not self._looked:
            raise type(self._hindrance)(str(self._hindrance))
        return self._recogniser

    def vectors(self) -> LoadableVectors:
        """The vector store, opened by whoever needs it first; blocks. Raises VectorStoreError."""
        with self._opening:
            if self._vectors is None:
                self._vectors = self._open_vectors()
            return self._vectors

    async def watch(self, poll_s: float) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(poll_s)
            await self.look()

    async def look(self) -> None:
        """Follow the pointer and what is published, and see who is there; what fails is in `checks`."""
        before = self.checks
        reached, _ = await asyncio.gather(self._look_at_vectors(), self._look_at_encoder())
        try:
            generation = await asyncio.to_thread(self._pointed)
        except InfrastructureError as error:
            self._metadata.failed(str(error))
            self._hindrance = error
            generation = self._recogniser.generation if self._recogniser else None
        else:
            self._metadata.succeeded()
            if generation is None:
                self._recogniser, self._looked, self._stale, self._generation = None, True, False, OK
        serving = self._recogniser.generation if self._recogniser else None
        if generation and generation != serving:
            await self._switch(generation)
        elif generation:
            self._generation = OK  # also where one that cannot be served was pointed at meanwhile
        if self._stale and reached and self._recogniser:
            await self._load_again(self._recogniser.generation)
        for name, state in self.checks.items():
            if state not in (OK, before[name]):
                log.warning("part not well", part=name, state=state)

    def _pointed(self) -> Generation | None:
        self.directory.look()
        return self._catalog.active_generation()

    async def _switch(self, generation: Generation) -> None:
        try:
            self._recogniser = await self._prepare(generation)
        except (InfrastructureError, ServiceError, CannotServe) as error:
            self._generation = f"generation {generation.generation_id} cannot be served: {error}"
            self._hindrance = NotReady(self._generation) if isinstance(error, CannotServe) else error
            return
        self._looked, self._stale, self._generation = True, False, OK
        self._store.succeeded()
        log.info("generation serves", generation=generation.generation_id, collection=generation.collection)

    async def _load_again(self, generation: Generation) -> None:
        try:
            self._recogniser = await self._prepare(generation)
        except (InfrastructureError, ServiceError, CannotServe) as error:
            self._store.lost(str(error))
            return
        self._stale = False
        self._store.succeeded()
        log.info("collection loaded again", collection=generation.collection)

    async def _prepare(self, generation: Generation) -> Recogniser:
        if self._recogniser is None or self._recogniser.generation.encoder != generation.encoder:
            known = await self._encoders.checksums()
            if generation.encoder not in known:
                ours = ", ".join(sorted(checksum[:12] for checksum in known))
                raise CannotServe(f"encoder {generation.encoder[:12]} made it, and this service has {ours}")
        return await asyncio.to_thread(self._made, generation)

    def _made(self, generation: Generation) -> Recogniser:
        vectors = self.vectors()
        vectors.load(generation.collection)
        try:
            tuned = vectors.with_search_params(Tuning.from_dict(generation.tuning).search_params)
            recogniser = Recogniser(
                GuardedVectors(tuned, self._store, self._unloaded), self.directory, generation, self._settings
            )
        except ValueError as error:  # of Calibration.from_dict and Tuning.from_dict
            raise CannotServe(str(error)) from error
        tuned.search(generation.collection, np.eye(1, generation.dim, dtype=np.float32), recogniser.settings.hits)
        return recogniser

    async def _look_at_vectors(self) -> bool:
        """Whether it is there now; what must be loaded before it is searched is not there until that is done."""
        if self._vectors is None:
            return True
        try:
            await asyncio.to_thread(self._looked_at, self._vectors)
        except InfrastructureError as error:
            self._stale = True
            self._store.failed(str(error))
            return False
        if not self._stale:
            self._store.succeeded()
        return True

    def _looked_at(self, vectors: LoadableVectors) -> None:
        """Raises VectorStoreError."""
        serving = self._recogniser
        if serving is None:
            vectors.server_version(self._timeout_s)
        elif vectors.released(collection := serving.generation.collection, self._timeout_s):
            self._unloaded(collection, f"{collection} is not loaded")

    def _unloaded(self, collection: str, reason: str) -> None:
        """The next look loads it again, once for all who ask; one that answers no more may be gone."""
        if self._recogniser and self._recogniser.generation.collection == collection:
            self._stale = True
            self._store.lost(f"{reason}; it is being loaded again")

    async def _look_at_encoder(self) -> None:
        try:
            await asyncio.wait_for(self._encoders.checksums(), self._timeout_s)
        except TimeoutError:
            self._encoder.failed(f"the encoder did not answer within {self._timeout_s:g} s")
        except Overloaded:
            pass  # it is there, and busy
        except ServiceError as error:
            self._encoder.failed(str(error))
        else:
            self._encoder.succeeded()

    def close(self) -> None:
        if self._vectors is not None:
            with suppress(InfrastructureError):
                self._vectors.close()
