"""Does Milvus hold what the ledger says? Counted now and then of the generation that answers, while nobody writes."""

import asyncio
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol

from conf.events import events
from ingest.fingerprint import RefrainError
from ingest.stores import Generation
from serve.generation import Generations
from serve.meter import Meter

log = events(__name__)

TELL_S = 5.0  # Ray passes a gauge on every ten seconds, and forgets one that was not set again


class CountedCatalog(Protocol):
    """What is asked of the metadata store: `ingest.stores.CatalogStore` is one."""

    @property
    def name(self) -> str: ...

    def locked(self) -> bool: ...

    def loaded_segments(self, generation_id: int) -> int: ...


@dataclass(frozen=True)
class Counted:
    """Vectors of one generation."""

    generation_id: int
    collection: str
    ledger: int
    milvus: int


class Audit:
    """What both held at the last look that came to something.

    While somebody holds the catalogue's lock they may differ by a batch, for a whole night; such a look says nothing,
    nor does one that a store did not answer.
    """

    def __init__(self, catalog: CountedCatalog, generations: Generations, meter: Meter) -> None:
        self._catalog, self._generations, self._meter = catalog, generations, meter
        self._counted: Counted | None = None

    async def watch(self, every_s: float) -> None:
        """Look and tell for ever."""
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                await self.look()
                due = time.monotonic() + every_s
            self.tell()
            await asyncio.sleep(min(TELL_S, every_s))

    async def look(self) -> None:
        """Count both sides, off the event loop."""
        generation = self._answering()
        if generation is None:
            return
        counted = None
        with suppress(RefrainError):
            counted = await asyncio.to_thread(self._count, generation)
        if counted and counted != self._counted:
            self._counted = counted
            if counted.milvus != counted.ledger:
                log.warning("vectors differ", **asdict(counted))

    def tell(self) -> None:
        """Pass the counts on, as long as their generation answers."""
        answering, counted = self._answering(), self._counted
        if answering and counted and answering.generation_id == counted.generation_id:
            self._meter.vectors(self._catalog.name, counted.ledger, counted.milvus)

    def _answering(self) -> Generation | None:
        with suppress(RefrainError):
            serving = self._generations.serving()
            return serving.generation if serving else None
        return None

    def _count(self, generation: Generation) -> Counted | None:
        """None: somebody writes, or wrote meanwhile. Raises MetadataError, VectorStoreError."""
        ledger = self._at_rest(generation.generation_id)
        if ledger is None:
            return None
        milvus = self._generations.vectors().count(generation.collection, strong=False)
        if self._at_rest(generation.generation_id) != ledger:
            return None
        return Counted(generation.generation_id, generation.collection, ledger, milvus)

    def _at_rest(self, generation_id: int) -> int | None:
        return None if self._catalog.locked() else self._catalog.loaded_segments(generation_id)
