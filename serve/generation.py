"""What the catalogue serves now: the metadata store's pointer, watched, and followed whole."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ingest.stores import Generation, InfrastructureError
from ingest.stores.removal import RemovableVectors
from serve.matching import MatcherSettings
from serve.problems import NotReady, ServiceError
from serve.recogniser import Recogniser, TrackLookup, VectorSearch

logger = logging.getLogger(__name__)

OK = "ok"


class LoadableVectors(VectorSearch, RemovableVectors, Protocol):
    """The vector store as a generation is prepared on it."""

    def load(self, collection: str) -> None: ...

    def server_version(self) -> str: ...

    def close(self) -> None: ...


class PointedCatalog(TrackLookup, Protocol):
    """The metadata store as the watcher sees it."""

    def active_generation(self) -> Generation | None: ...


class Encoders(Protocol):
    """Who embeds the queries."""

    async def checksums(self) -> frozenset[str]: ...


class CannotServe(Exception):
    """A generation that this service is not made for."""


class Generations:
    """The generation that answers; a request takes `serving()` once and keeps to it.

    A new one is prepared first (its encoder is there, its collection is loaded) and then replaces the old one in one
    assignment. One that cannot be prepared is tried again at every look, while the old one goes on answering.
    """

    def __init__(
        self,
        catalog: PointedCatalog,
        open_vectors: Callable[[], LoadableVectors],
        encoders: Encoders,
        settings: MatcherSettings,
    ) -> None:
        self._catalog = catalog
        self._open_vectors = open_vectors
        self._encoders = encoders
        self._settings = settings
        self._vectors: LoadableVectors | None = None
        self._opening = threading.Lock()
        self._recogniser: Recogniser | None = None
        self._stale = False  # the vector store was away: its collections may need loading again
        self._looked = False
        self.checks = {"metadata": "not looked at yet", "generation": "not looked at yet", "vectors": OK}

    @property
    def ready(self) -> bool:
        return self._looked and all(state == OK for state in self.checks.values())

    def serving(self) -> Recogniser | None:
        """None: the catalogue has no generation yet. Raises NotReady while that is not known."""
        if self._recogniser is None and not self._looked:
            raise NotReady("; ".join(f"{name}: {state}" for name, state in self.checks.items() if state != OK))
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
        """Follow the pointer, and see whether the stores are there; what fails is in `checks`."""
        try:
            generation = await asyncio.to_thread(self._catalog.active_generation)
        except InfrastructureError as error:
            self._note("metadata", str(error))
            return
        self._note("metadata", OK)
        await self._probe()
        if generation is None:
            self._recogniser, self._looked = None, True
            self._note("generation", OK)
        elif self._stale or self._recogniser is None or generation != self._recogniser.generation:
            await self._switch(generation)

    async def _switch(self, generation: Generation) -> None:
        try:
            self._recogniser = await self._prepare(generation)
        except (InfrastructureError, ServiceError, CannotServe) as error:
            self._note("generation", f"generation {generation.generation_id} cannot be served: {error}")
            return
        self._looked, self._stale = True, False
        self._note("generation", OK)
        logger.info("serving generation %d (%s)", generation.generation_id, generation.collection)

    async def _prepare(self, generation: Generation) -> Recogniser:
        known = await self._encoders.checksums()
        if generation.encoder not in known:
            ours = ", ".join(sorted(checksum[:12] for checksum in known))
            raise CannotServe(f"encoder {generation.encoder[:12]} made it, and this service has {ours}")
        vectors = await asyncio.to_thread(self.vectors)
        await asyncio.to_thread(vectors.load, generation.collection)
        try:
            return Recogniser(vectors, self._catalog, generation, self._settings)
        except ValueError as error:  # of Calibration.from_dict
            raise CannotServe(str(error)) from error

    async def _probe(self) -> None:
        if self._vectors is None:
            return
        try:
            await asyncio.to_thread(self._vectors.server_version)
        except InfrastructureError as error:
            self._stale = True
            self._note("vectors", str(error))
        else:
            self._note("vectors", OK)

    def _note(self, name: str, state: str) -> None:
        if self.checks.get(name) != state and state != OK:
            logger.warning("%s: %s", name, state)
        self.checks[name] = state

    def close(self) -> None:
        if self._vectors is not None:
            with suppress(InfrastructureError):
                self._vectors.close()
