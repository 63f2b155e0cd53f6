"""One long recording from file to segments, window by window: decode → embed → follow. The event loop only waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import IO, Any, Protocol, TypeVar, cast

from ingest.fingerprint import Embeddings, SilentAudio
from serve.config import BoundsConfig
from serve.decoding.decoders import DecodedRecording, Decoders
from serve.directory import nameless
from serve.draining import Drain
from serve.encoders import EmbedJob
from serve.gate import Gate
from serve.problems import DeadlineExceeded
from serve.recogniser import STAGES, Recogniser, TrackSegment
from serve.recording import Pcm, without_surroundings
from serve.schema import Query, Segment, TimelineEnd, TimelineProgress
from serve.stopwatch import Stopwatch
from serve.wire import segment_of

T = TypeVar("T")


class WindowEncoder(Protocol):
    """Who embeds."""

    async def embed(self, job: EmbedJob) -> Embeddings: ...


class Timelines:
    """Follows at most `bounds.timelines` recordings at once, in threads of its own: the short queries keep theirs."""

    def __init__(
        self,
        bounds: BoundsConfig,
        encoder: WindowEncoder,
        serving: Callable[[], Recogniser | None],
        decoders: Decoders,
        drain: Drain,
    ) -> None:
        self.drain = drain
        self._bounds = bounds
        self._decoders = decoders
        self._encoder = encoder
        self._serving = serving
        self._gate = Gate(bounds.timelines, 0)
        self._threads = ThreadPoolExecutor(bounds.timelines, thread_name_prefix="timeline")

    def admitted(self) -> AbstractAsyncContextManager[None]:
        """Raises TooManyRequests."""
        return self._gate.admitted()

    def follow(self, file: IO[bytes], min_confidence: float | None = None) -> Following:
        """An uploaded recording, to be closed by the caller. Raises NotReady."""
        recogniser, recording = self._serving(), self._decoders.recording(file)
        return Following(
            file, recording, self._bounds, self._encoder, recogniser, self._threads, min_confidence, self.drain
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Following:
    """One recording; `next` until it says None. It keeps to the generation that it began with."""

    def __init__(
        self,
        file: IO[bytes],
        recording: DecodedRecording,
        bounds: BoundsConfig,
        encoder: WindowEncoder,
        recogniser: Recogniser | None,
        threads: ThreadPoolExecutor,
        min_confidence: float | None,
        drain: Drain,
    ) -> None:
        self._file, self._recording, self._encoder = file, recording, encoder
        self._threads, self._drain = threads, drain
        self._watch = Stopwatch()
        self._limit_s = bounds.timeline_deadline_s
        self._deadline = asyncio.get_running_loop().time() + self._limit_s
        self._name = recogniser.generation.encoder if recogniser else None
        self._timeline = recogniser.following(self._watch, min_confidence) if recogniser else None
        self._windows: Iterator[Pcm] | None = iter(recording)
        self._audible = False
        self._degraded = False
        self._busy: Future[Any] | None = None

    async def next(self) -> list[Segment] | None:
        """What is over after the next window, in order of `start_s`; None once all is told.

        Raises what `serve.problems` makes responses of.
        """
        if self._windows is None:
            return None
        try:
            async with asyncio.timeout_at(self._deadline) as deadline:
                found = await self._drain.unless(self._step(self._windows))
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(f"no end within {self._limit_s:g} s") from None
        self._degraded = self._degraded or nameless(segment.track for segment in found)
        return [segment_of(segment) for segment in found]

    async def _step(self, windows: Iterator[Pcm]) -> list[TrackSegment]:
        window = await self._in_thread(partial(self._decoded, windows))
        if window is None:
            return await self._end()
        with self._watch.stage("embed"):
            embedded = without_surroundings(await self._encoder.embed(EmbedJob(window, self._name)))
        self._audible = self._audible or bool(embedded.audible.any())
        if self._timeline is None:
            return []
        return await self._in_thread(partial(self._timeline.hear, embedded))

    async def _end(self) -> list[TrackSegment]:
        self._windows = None
        if not self._audible:
            raise SilentAudio("nothing in it is louder than silence")
        return await self._in_thread(self._timeline.end) if self._timeline else []

    def _decoded(self, windows: Iterator[Pcm]) -> Pcm | None:
        with self._watch.stage("decode"):
            return next(windows, None)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self._busy = self._threads.submit(work)
        return cast(T, await asyncio.wrap_future(self._busy))

    @property
    def progress(self) -> TimelineProgress:
        """How far it is."""
        return TimelineProgress(heard_s=round(self._recording.duration_s, 3), share=round(self._recording.share, 4))

    def end(self) -> TimelineEnd:
        """What is told when all segments are."""
        query = Query(duration_s=round(self._recording.duration_s, 3))
        return TimelineEnd(query=query, degraded=self._degraded, timings_ms=self._watch.timings_ms(*STAGES))

    def close(self) -> None:
        """The decoder ends; the file is closed as soon as no thread is about to open it: a thread cannot be stopped."""
        self._windows = None
        self._recording.close()
        if self._busy is None:
            self._file.close()
        else:
            self._busy.add_done_callback(lambda _: self._file.close())
