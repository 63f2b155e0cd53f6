"""The caller's side: `Client` and `AsyncClient` for programs, `python -m serve.client URL FILE…` for the shell.

The command prints one JSON line for every file, in order: the answer of the service with `file` in front, or
`{"file", "error", "code"}` when there is none; then it ends with 1. With `--timeline` the files are long recordings,
and it prints one line for every segment of each. A key comes from REFRAIN_API_KEY.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar, Unpack

import httpx

from serve import calls
from serve.answers import Duplicates, Embedded, Identification, Info, Segment, TrackAnswer, TrackPage, Vectors
from serve.async_client import AsyncClient
from serve.calls import Audio, Call, ClientError, Heard, Outcome, Progress, Wishes

__all__ = ["AsyncClient", "Client", "ClientError", "Heard", "main"]

USAGE = "usage: python -m serve.client [--at-once N | --timeline] URL FILE…"
TIMELINE = "--timeline"
A = TypeVar("A")


class Client:
    """A service at a base URL; a context manager that keeps its connections, which threads may share.

    The key is `api_key`, or what REFRAIN_API_KEY says. Every error is a ClientError.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = calls.TIMEOUT_S,
        retries: int = calls.RETRIES,
    ) -> None:
        self._http = httpx.Client(**calls.connection(url, timeout_s, api_key))
        self._retries = retries

    def identify(self, audio: Audio, **wishes: Unpack[Wishes]) -> Identification:
        """The answer to a clip, given as its bytes or as the path of a file.

        What may be wished: limit, min_confidence, start_s, catalog.
        """
        return self._ask(calls.identify(calls.read_audio(audio), **wishes))

    def embed(
        self, audio: Audio, *, start_s: float | None = None, encoding: str = "base64", catalog: str | None = None
    ) -> Embedded:
        """The embeddings of a clip, to keep: `search` takes them as they are. `encoding` is base64 or list."""
        return self._ask(calls.embed(calls.read_audio(audio), start_s, encoding, catalog))

    def search(
        self,
        vectors: Vectors,
        *,
        limit: int | None = None,
        min_confidence: float | None = None,
        catalog: str | None = None,
    ) -> Identification:
        """The answer to embeddings, as `embed` gave them or as they were kept."""
        return self._ask(calls.search(vectors, limit, min_confidence, catalog))

    def identify_many(
        self,
        paths: Sequence[str | Path],
        *,
        at_once: int = 4,
        progress: Progress | None = None,
        **wishes: Unpack[Wishes],
    ) -> Iterator[tuple[str | Path, Identification | ClientError]]:
        """Each path with its answer, or with the error instead of one, in order; `at_once` are asked at a time."""

        def one(path: str | Path) -> Identification | ClientError:
            try:
                return self.identify(path, **wishes)
            except ClientError as error:
                return error

        pool = ThreadPoolExecutor(at_once, thread_name_prefix="identify")
        try:
            asked = [pool.submit(one, path) for path in paths]
            for number, (path, future) in enumerate(zip(paths, asked, strict=True), start=1):
                answer = future.result()
                if progress:
                    progress(number, len(asked))
                yield path, answer
        finally:
            pool.shutdown(cancel_futures=True)

    def timeline(
        self,
        audio: Audio,
        *,
        min_confidence: float | None = None,
        catalog: str | None = None,
        progress: Callable[[Heard], object] | None = None,
    ) -> Iterator[Segment]:
        """The segments of a long recording, given as its bytes or as the path of a file, each as soon as it is over.

        What refuses it is repeated as of a clip, as long as no answer has begun. `progress` is told how far it is.
        """
        with calls.open_audio(audio) as content:
            for attempt in count():
                try:
                    yield from self._segments(content, min_confidence, catalog, progress)
                    return
                except calls.NotBegun as refusal:
                    pause_s = calls.again_s(refusal, content, attempt, self._retries, self._http.base_url)
                time.sleep(pause_s)

    def _segments(
        self,
        content: bytes | BinaryIO,
        min_confidence: float | None,
        catalog: str | None,
        progress: Callable[[Heard], object] | None,
    ) -> Iterator[Segment]:
        """Raises NotBegun, ClientError."""
        question = calls.timeline(min_confidence, catalog, progress is not None)
        begun = False
        try:
            with self._http.stream(**question, content=content) as response:
                if not response.is_success:
                    response.read()
                    raise calls.NotBegun(response)
                begun = True
                for line in response.iter_lines():
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

    def tracks(self, q: str = "", *, limit: int = 50, after: int = 0) -> TrackPage:
        """A page of the tracks with all the words of `q`; its `next` is the `after` of the page behind it."""
        return self._ask(calls.tracks(q, limit, after))

    def track(self, track_id: int) -> TrackAnswer:
        return self._ask(calls.track(track_id))

    def duplicates(self, track_id: int) -> Duplicates:
        """The tracks that hold the same recording, sample by sample."""
        return self._ask(calls.duplicates(track_id))

    def delete_track(self, track_id: int) -> None:
        """Take a track out of the catalogue."""
        self._ask(calls.delete_track(track_id))

    def info(self) -> Info:
        return self._ask(calls.info())

    def ready(self) -> bool:
        """Whether the service would answer a query now; False also when nobody listens."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _ask(self, call: Call[A]) -> A:
        attempt = 0
        while True:
            outcome = self._outcome(call)
            pause_s = calls.wait_s(outcome, attempt, self._retries)
            if pause_s is None:
                return calls.result_of(call, outcome, self._http.base_url)
            time.sleep(pause_s)
            attempt += 1

    def _outcome(self, call: Call[A]) -> Outcome:
        try:
            return self._http.request(call.method, call.path, **call.options())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def main(arguments: Sequence[str]) -> int:
    """0 when every file was answered, 1 when one was not, 2 for a wrong command line."""
    words, at_once = list(arguments), 1
    timeline = words[:1] == [TIMELINE]
    if timeline:
        words = words[1:]
    elif words[:1] == ["--at-once"] and len(words) > 1 and words[1].isdecimal():
        at_once, words = int(words[1]), words[2:]
    if len(words) < 2 or words[0].startswith("-") or at_once < 1:
        print(USAGE, file=sys.stderr)
        return 2
    url, *files = words
    try:
        client = Client(url if "://" in url else f"http://{url}")
    except ClientError as error:
        print(f"refrain: {error}", file=sys.stderr)
        return 2
    with client:
        return print_segments(client, files) if timeline else print_answers(client, files, at_once)


def print_segments(client: Client, files: Sequence[str]) -> int:
    """One line a segment, a file after the other; 1 if one of them has no answer."""
    failed = False
    progress = show_heard if sys.stderr.isatty() and not sys.stdout.isatty() else None
    for file in files:
        try:
            for segment in client.timeline(file, progress=progress):
                print(json.dumps({"file": file, **segment}), flush=True)
        except ClientError as error:
            failed = True
            print_error(file, error)
    return int(failed)


def print_error(file: str | Path, error: ClientError) -> None:
    """The line of a file without an answer."""
    print(json.dumps({"file": str(file), "error": str(error), "code": error.code}), flush=True)


def print_answers(client: Client, files: Sequence[str], at_once: int) -> int:
    """One line a file, in order; 1 if one of them has no answer."""
    failed = False
    progress = show_progress if sys.stderr.isatty() and not sys.stdout.isatty() else None
    for file, answer in client.identify_many(files, at_once=at_once, progress=progress):
        if isinstance(answer, ClientError):
            failed = True
            print_error(file, answer)
        else:
            print(json.dumps({"file": file, **answer}), flush=True)
    return int(failed)


def show_heard(heard: Heard) -> None:
    """On the terminal, in place of the line before."""
    print(f"\r{heard.share:.0%}", end="\n" if heard.share >= 1 else "", file=sys.stderr, flush=True)


def show_progress(done: int, total: int) -> None:
    """On the terminal, in place of the line before."""
    print(f"\r{done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
