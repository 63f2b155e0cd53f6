"""One request from bytes to answer: decode → embed → recognise. The event loop only waits."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Protocol

from ingest.fingerprint import Embeddings, SilentAudio
from ingest.stores import CatalogCounts
from serve.audit import Audit, CountedCatalog
from serve.clip import Clip, denoised
from serve.config import ServeConfig
from serve.decoding.decoders import Decoders
from serve.directory import nameless
from serve.draining import Drain, never
from serve.encoders import EmbedJob, ratio_of
from serve.generation import Generations
from serve.listening import Listeners
from serve.matching import Variants
from serve.meter import Meter, NoMeter
from serve.recogniser import STAGES, Recogniser, TrackMatch
from serve.schema import Health, Identification, Info
from serve.standing import DEGRADED, OK, UNREADY
from serve.stopwatch import Stopwatch
from serve.timelines import Timelines
from serve.tracks import BrowsedCatalog, Tracks
from serve.turns import Turns
from serve.vectors import VectorDesk
from serve.wire import answering_of, match_of, query_of


class ClipEncoder(Protocol):
    """Who embeds the queries: the remote deployment, or a network in this process."""

    async def embed(self, job: EmbedJob) -> Embeddings: ...

    async def embed_all(self, jobs: Sequence[EmbedJob]) -> list[Embeddings]: ...

    async def checksums(self) -> frozenset[str]: ...


class TrackCatalog(BrowsedCatalog, CountedCatalog, Protocol):
    """The metadata store as the service sees it beside the watcher."""

    def counts(self, encoder: str) -> CatalogCounts: ...


class QueryService:
    """The whole service behind HTTP."""

    def __init__(
        self,
        config: ServeConfig,
        catalog: TrackCatalog,
        encoder: ClipEncoder,
        generations: Generations,
        decoders: Decoders | None = None,
        *,
        ending: Callable[[], bool] = never,
        meter: Meter | None = None,
    ) -> None:
        self.bounds = config.bounds
        self.catalog_name = config.catalog.name
        self.tracks = Tracks(catalog, generations)
        self._config = config
        self._catalog = catalog
        self._encoder = encoder
        self._generations = generations
        self._turns = Turns(config.bounds)
        self._ending = ending
        self._drain = Drain()
        self._audit = Audit(catalog, generations, meter or NoMeter())
        self.decoders = decoders or Decoders(config.bounds)
        self.timelines = Timelines(config.bounds, encoder, generations.serving, self.decoders, self._drain)
        self.listeners = Listeners(config.bounds, encoder, generations.serving, self._turns, self._drain)
        self.vectors = VectorDesk(
            config.bounds, encoder, generations.serving, self._turns, self._read, lambda: generations.directory.degraded
        )
        self._ratios = [ratio_of(semitones) for semitones in config.matching.retunings_semitones]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look once at what there is to serve, then keep watching; `ending` is asked whether that is about to end."""
        await self._generations.look()
        watchers = [
            asyncio.create_task(self._generations.watch(self._config.poll_s)),
            asyncio.create_task(self._drain.watch(self._ending)),
        ]
        if count_every_s := self._config.health.count_every_s:
            watchers.append(asyncio.create_task(self._audit.watch(count_every_s)))
        try:
            yield
        finally:
            for watcher in watchers:
                watcher.cancel()
                with suppress(asyncio.CancelledError):
                    await watcher
            self._turns.close()
            self.timelines.close()
            self.decoders.close()
            self._generations.close()

    async def identify(
        self,
        data: bytes,
        limit: int,
        min_confidence: float | None = None,
        start_s: float | None = None,
        evidence: bool = False,
    ) -> Identification:
        """The answer to an uploaded clip. Raises what `serve.problems` makes responses of."""
        async with self._turns.taken(self.bounds.wait_s):
            return await self._identify(data, limit, min_confidence, start_s, evidence)

    async def _identify(
        self, data: bytes, limit: int, min_confidence: float | None, start_s: float | None, evidence: bool
    ) -> Identification:
        watch = Stopwatch()
        recogniser = self._generations.serving()
        encoder = recogniser.generation.encoder if recogniser else None
        with watch.stage("decode"):
            clip = await self._turns.in_thread(functools.partial(self._read, data, start_s))
        with watch.stage("embed"):
            query = await self._encoder.embed(EmbedJob(clip.samples, encoder))
        if not query.audible.any():
            raise SilentAudio("nothing in it is louder than silence")
        found: list[TrackMatch] = []
        if recogniser:
            variants = self._variants(clip, recogniser, watch, asyncio.get_running_loop()) if self._ratios else None
            found = await self._turns.in_thread(
                functools.partial(
                    recogniser.recognise,
                    query,
                    limit=limit,
                    min_confidence=min_confidence,
                    variants=variants,
                    watch=watch,
                )
            )
        return Identification(
            query=query_of(clip),
            matches=[match_of(match, clip.start_s, evidence) for match in found],
            degraded=self._generations.directory.degraded or nameless(match.track for match in found),
            timings_ms=watch.timings_ms(*STAGES),
        )

    def _read(self, data: bytes, start_s: float | None) -> Clip:
        clip = self.decoders.clip(data, start_s)
        return denoised(clip) if self._config.matching.denoise else clip

    def _variants(
        self, clip: Clip, recogniser: Recogniser, watch: Stopwatch, loop: asyncio.AbstractEventLoop
    ) -> Variants:
        """Retuned readings: embedded in one call once the matcher asks for them, waited for when it reads them."""

        def begin() -> Iterator[tuple[float, Embeddings]]:
            jobs = [EmbedJob(clip.samples, recogniser.generation.encoder, ratio) for ratio in self._ratios]
            return read(asyncio.run_coroutine_threadsafe(self._encoder.embed_all(jobs), loop))

        def read(begun: Future[Sequence[Embeddings]]) -> Iterator[tuple[float, Embeddings]]:
            with watch.stage("embed"):
                embedded = begun.result()
            yield from zip(map(float, self._ratios), embedded, strict=True)

        return begin

    async def info(self) -> Info:
        """Raises NotReady, MetadataError."""
        recogniser = self._generations.serving()
        generation = recogniser.generation if recogniser else None
        counts = await asyncio.to_thread(self._catalog.counts, generation.encoder) if generation else None
        bounds = self.bounds
        return Info(
            version=version("refrain"),
            catalog=self._config.catalog.name,
            generation=generation.generation_id if generation else None,
            collection=generation.collection if generation else None,
            encoder=generation.encoder if generation else None,
            index=generation.index if generation else None,
            tracks=counts.published if counts else 0,
            segments=counts.segments if counts else 0,
            hours=round(counts.hours, 3) if counts else 0.0,
            answering=answering_of(recogniser) if recogniser else None,
            limits={
                "body_mib": bounds.body_mib,
                "upload_s": bounds.upload_s,
                "clip_s": bounds.clip_s,
                "timeline_body_mib": bounds.timeline_body_mib,
                "timeline_s": bounds.timeline_s,
                "listen_s": bounds.listen_s,
            },
        )

    def readiness(self) -> Health:
        """Whether a query would be answered, and what stands in the way."""
        status = OK if self._generations.ready else UNREADY
        return Health(
            status=DEGRADED if self._generations.degraded else status,
            code=self._generations.code,
            checks=self._generations.checks,
        )
