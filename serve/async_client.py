"""`AsyncClient`: what `serve.client.Client` does, for programs with an event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar, Unpack

import httpx

from serve import calls
from serve.answers import Duplicates, Embedded, Identification, Info, Segment, TrackAnswer, TrackPage, Vectors
from serve.calls import Audio, Call, ClientError, Heard, Outcome, Progress, Wishes

CHUNK_BYTES = 1 << 18
A = TypeVar("A")


class AsyncClient:
    """A service at a base URL; an async context manager that keeps its connections. Every error is a ClientError."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = calls.TIMEOUT_S,
        retries: int = calls.RETRIES,
    ) -> None:
        self._http = httpx.AsyncClient(**calls.connection(url, timeout_s, api_key))
        self._retries = retries

    async def identify(self, audio: Audio, **wishes: Unpack[Wishes]) -> Identification:
        """The answer to a clip, given as its bytes or as the path of a file; the wishes are those of `Client`."""
        data = await asyncio.to_thread(calls.read_audio, audio)
        return await self._ask(calls.identify(data, **wishes))

    async def embed(
        self, audio: Audio, *, start_s: float | None = None, encoding: str = "base64", catalog: str | None = None
    ) -> Embedded:
        """The embeddings of a clip, to keep: `search` takes them as they are. `encoding` is base64 or list."""
        return await self._ask(
            calls.embed(await asyncio.to_thread(calls.read_audio, audio), start_s, encoding, catalog)
        )

    async def search(
        self,
        vectors: Vectors,
        *,
        limit: int | None = None,
        min_confidence: float | None = None,
        catalog: str | None = None,
    ) -> Identification:
        """The answer to embeddings, as `embed` gave them or as they were kept."""
        return await self._ask(calls.search(vectors, limit, min_confidence, catalog))

    async def identify_many(
        self,
        paths: Sequence[str | Path],
        *,
        at_once: int = 4,
        progress: Progress | None = None,
        **wishes: Unpack[Wishes],
    ) -> AsyncIterator[tuple[str | Path, Identification | ClientError]]:
        """Each path with its answer, or with the error instead of one, in order; `at_once` are asked at a time."""
        turn = asyncio.Semaphore(at_once)

        async def one(path: str | Path) -> Identification | ClientError:
            async with turn:
                try:
                    return await self.identify(path, **wishes)
                except ClientError as error:
                    return error

        tasks = [asyncio.create_task(one(path)) for path in paths]
        try:
            for number, (path, task) in enumerate(zip(paths, tasks, strict=True), start=1):
                answer = await task
                if progress:
                    progress(number, len(tasks))
                yield path, answer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def timeline(
        self,
        audio: Audio,
        *,
        min_confidence: float | None = None,
        catalog: str | None = None,
        progress: Callable[[Heard], object] | None = None,
    ) -> AsyncIterator[Segment]:
        """The segments of a long recording, given as its bytes or as the path of a file, each as soon as it is over."""
        with await asyncio.to_thread(calls.open_audio, audio) as content:
            for attempt in count():
                try:
                    async for segment in self._segments(content, min_confidence, catalog, progress):
                        yield segment
                    return
                except calls.NotBegun as refusal:
                    pause_s = calls.again_s(refusal, content, attempt, self._retries, self._http.base_url)
                await asyncio.sleep(pause_s)

    async def _segments(
        self,
        content: bytes | BinaryIO,
        min_confidence: float | None,
        catalog: str | None,
        progress: Callable[[Heard], object] | None,
    ) -> AsyncIterator[Segment]:
        """Raises NotBegun, ClientError."""
        question = calls.timeline(min_confidence, catalog, progress is not None)
        begun, sent = False, content if isinstance(content, bytes) else _chunks(content)
        try:
            async with self._http.stream(**question, content=sent) as response:
                if not response.is_success:
                    await response.aread()
                    raise calls.NotBegun(response)
                begun = True
                async for line in response.aiter_lines():
                    part = calls.part_of(line)
                    if part is None:
                        return
                    if not isinstance(part, Heard):
                        yield part
                    elif progress:
                        progress(part)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not begun:
                raise calls.NotBegun(error) from error
            raise calls.unreachable(self._http.base_url, error) from error
        raise calls.broken_off()

    async def tracks(self, q: str = "", *, limit: int = 50, after: int = 0) -> TrackPage:
        return await self._ask(calls.tracks(q, limit, after))

    async def track(self, track_id: int) -> TrackAnswer:
        return await self._ask(calls.track(track_id))

    async def duplicates(self, track_id: int) -> Duplicates:
        return await self._ask(calls.duplicates(track_id))

    async def delete_track(self, track_id: int) -> None:
        await self._ask(calls.delete_track(track_id))

    async def info(self) -> Info:
        return await self._ask(calls.info())

    async def ready(self) -> bool:
        """Whether the service would answer a query now; False also when nobody listens."""
        try:
            return (await self._http.get("/readyz")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def _ask(self, call: Call[A]) -> A:
        attempt = 0
        while True:
            outcome = await self._outcome(call)
            pause_s = calls.wait_s(outcome, attempt, self._retries)
            if pause_s is None:
                return calls.result_of(call, outcome, self._http.base_url)
            await asyncio.sleep(pause_s)
            attempt += 1

    async def _outcome(self, call: Call[A]) -> Outcome:
        try:
            return await self._http.request(call.method, call.path, **call.options())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """A file as it is read."""
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
