"""One request from bytes to answer: decode → embed → recognise. The event loop only waits."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from fractions import Fraction
from importlib.metadata import version
from typing import Protocol, TypeVar

from ingest.fingerprint import Embeddings, SilentAudio
from ingest.stores import CatalogCounts
from serve.clip import Clip, read_clip
from serve.config import ServeConfig
from serve.encoders import EmbedJob, ratio_of
from serve.gate import Gate
from serve.generation import OK, Generations
from serve.listening import Listeners
from serve.problems import DeadlineExceeded
from serve.recogniser import STAGES, Recogniser, TrackMatch
from serve.schema import Health, Identification, Info, Query, Stretch
from serve.stopwatch import Stopwatch
from serve.timelines import Timelines
from serve.tracks import BrowsedCatalog, Tracks
from serve.wire import match_of

T = TypeVar("T")
Variant = tuple[float, Callable[[], Embeddings]]


class ClipEncoder(Protocol):
    """Who embeds the queries: the remote deployment, or a network in this process."""

    async def embed(self, job: EmbedJob) -> Embeddings: ...

    async def checksums(self) -> frozenset[str]: ...


class TrackCatalog(BrowsedCatalog, Protocol):
    """The metadata store as the service sees it beside the watcher."""

    def counts(self, encoder: str) -> CatalogCounts: ...


class QueryService:
    """The whole service behind HTTP."""

    def __init__(
        self, config: ServeConfig, catalog: TrackCatalog, encoder: ClipEncoder, generations: Generations
    ) -> None:
        self.bounds = config.bounds
        self.catalog_name = config.catalog.name
        self.tracks = Tracks(catalog, generations)
        self._config = config
        self._catalog = catalog
        self._encoder = encoder
        self._generations = generations
        self._gate = Gate(config.bounds.concurrent, config.bounds.waiting)
        self._threads = ThreadPoolExecutor(config.bounds.concurrent, thread_name_prefix="query")
        self.timelines = Timelines(config.bounds, encoder, generations.serving)
        self.listeners = Listeners(config.bounds, encoder, generations.serving, self._gate, self._threads)
        self._ratios = [ratio_of(semitones) for semitones in config.matching.retunings_semitones]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look once at what there is to serve, then keep watching."""
        await self._generations.look()
        watcher = asyncio.create_task(self._generations.watch(self._config.poll_s))
        try:
            yield
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            self._threads.shutdown(wait=False, cancel_futures=True)
            self.timelines.close()
            self._generations.close()

    async def identify(
        self, data: bytes, limit: int, min_confidence: float | None = None, start_s: float | None = None
    ) -> Identification:
        """The answer to an uploaded clip. Raises what `serve.problems` makes responses of."""
        try:
            async with asyncio.timeout(self.bounds.deadline_s) as deadline, self._gate.admitted(self.bounds.wait_s):
                return await self._identify(data, limit, min_confidence, start_s)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(f"no answer within {self.bounds.deadline_s:g} s") from None

    async def _identify(
        self, data: bytes, limit: int, min_confidence: float | None, start_s: float | None
    ) -> Identification:
        watch = Stopwatch()
        recogniser = self._generations.serving()
        encoder = recogniser.generation.encoder if recogniser else None
        with watch.stage("decode"):
            clip = await self._in_thread(functools.partial(self._read, data, start_s))
        with watch.stage("embed"):
            query = await self._encoder.embed(EmbedJob(clip.samples, encoder))
        if not query.audible.any():
            raise SilentAudio("nothing in it is louder than silence")
        found: list[TrackMatch] = []
        if recogniser:
            variants = self._variants(clip, recogniser, watch, asyncio.get_running_loop())
            found = await self._in_thread(
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
            matches=[match_of(match, clip.start_s) for match in found],
            timings_ms=watch.timings_ms(*STAGES),
        )

    def _read(self, data: bytes, start_s: float | None) -> Clip:
        denoised = self._config.matching.denoise
        clip_s, upload_s = self.bounds.clip_s, self.bounds.upload_s
        return read_clip(data, clip_s=clip_s, upload_s=upload_s, start_s=start_s, denoised=denoised)

    def _variants(
        self, clip: Clip, recogniser: Recogniser, watch: Stopwatch, loop: asyncio.AbstractEventLoop
    ) -> Iterator[Variant]:
        """Retuned readings, embedded when the matcher (in its thread) asks for them."""

        def embed(ratio: Fraction) -> Embeddings:
            job = EmbedJob(clip.samples, recogniser.generation.encoder, ratio)
            with watch.stage("embed"):
                return asyncio.run_coroutine_threadsafe(self._encoder.embed(job), loop).result()

        return ((float(ratio), functools.partial(embed, ratio)) for ratio in self._ratios)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

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
            limits={
                "body_mib": bounds.body_mib,
                "upload_s": bounds.upload_s,
                "clip_s": bounds.clip_s,
                "timeline_body_mib": bounds.timeline_body_mib,
                "timeline_s": bounds.timeline_s,
            },
        )

    def readiness(self) -> Health:
        """Whether a query would be answered, and what stands in the way."""
        checks = dict(self._generations.checks)
        ready = self._generations.ready
        return Health(status=OK if ready else "not ready", checks=checks)


def query_of(clip: Clip) -> Query:
    """What is told of the audio itself."""
    used = Stretch(start_s=round(clip.start_s, 3), end_s=round(clip.end_s, 3)) if clip.cut else None
    return Query(duration_s=round(clip.duration_s, 3), used=used)
