"""Stage 1: a file → windows of 16-bit samples. Bad input, and nothing else, becomes a row with a code and a reason."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from conf.traces import written
from ingest.catalog import locate, open_file
from ingest.config import AudioConfig, CatalogConfig
from ingest.errors import BadInput, InfrastructureError, TimedOut, TooShort
from ingest.file_traces import FileTraces, TracedRun
from ingest.fingerprint import SAMPLE_RATE, AudioStream, Tags, Window, cut_windows, denoise_blocks, read_tags
from ingest.rows import WINDOW_SCHEMA, table

CONTENT_HASH_BYTES = 16
RETRY_AFTER_S = (1.0, 5.0, 25.0)  # when a source fails, beside what its client asks again by itself


class DecodeFiles:
    """Actor body. One call takes a batch of files and yields their windows one by one, so that memory stays bounded.

    padding: samples that an embedding hears before and after its own cell. file_timeout_s: of decoding alone; what
    the later stages take does not count.
    """

    def __init__(
        self,
        catalog: CatalogConfig,
        audio: AudioConfig,
        padding: tuple[int, int],
        file_timeout_s: float,
        run: TracedRun | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.catalog, self.audio, self.padding = catalog, audio, padding
        self.file_timeout_s, self.clock, self.pause = file_timeout_s, clock, pause
        self.traces = FileTraces(run)

    def __call__(self, work: pa.Table) -> Iterator[pa.Table]:
        for row in work.to_pylist():
            span = self.traces.begin(row["recording_id"], row["uri"])
            try:
                for window in self.rows(row["recording_id"], row["uri"]):
                    yield table([window | {"trace": written(span.get_span_context())}], WINDOW_SCHEMA)
            finally:
                span.end()

    def rows(self, recording_id: int, uri: str) -> Iterator[dict[str, Any]]:
        """Rows of WINDOW_SCHEMA for one file: its windows, or what there was of them and a reject.

        A source that fails is asked again, from the start of the file: windows that come twice count once.
        """
        for attempt, wait_s in enumerate((*RETRY_AFTER_S, None), 1):
            same = {"recording_id": recording_id, "attempt": attempt}
            try:
                for fields in self._windows(uri):
                    yield same | fields
            except BadInput as error:
                yield same | {"window": -1, "code": error.code, "reason": str(error)}
            except InfrastructureError:
                if wait_s is None:
                    raise
                self.pause(wait_s)
                continue
            return

    def _windows(self, uri: str) -> Iterator[dict[str, Any]]:
        with open_file(self.catalog, locate(self.catalog, uri)) as file:
            tags = read_tags(file)
            file.seek(0)
            stream = AudioStream(file, max_s=self.audio.max_hours * 3600)
            blocks = _Counted(self._denoised(stream), self.file_timeout_s, self.clock)
            content = hashlib.blake2b(digest_size=CONTENT_HASH_BYTES)
            for window in cut_windows(blocks, self.padding, self.audio.window_s):
                content.update(self._own(window).tobytes())
                yield self._row(window, blocks, stream, tags, content.hexdigest())

    def _own(self, window: Window) -> np.ndarray:
        """A window's samples without its surroundings."""
        before, after = self.padding
        return window.samples[before : len(window.samples) - after]

    def _row(
        self, window: Window, blocks: _Counted, stream: AudioStream, tags: Tags, content_hash: str
    ) -> dict[str, Any]:
        row = {
            "window": window.index,
            "first_segment": window.first_segment,
            "samples": window.samples.tobytes(),
            "last": window.last,
            "duration_s": self.audio.window_s,
            "decode_s": blocks.taken_s(),
        }
        if not window.last:
            return row
        if blocks.duration_s < self.audio.min_s:
            raise TooShort(f"{blocks.duration_s:.2f} s of audio, less than {self.audio.min_s:g} s")
        found = {"duration_s": blocks.duration_s, "truncated": stream.truncated, "content_hash": content_hash}
        return row | found | asdict(tags)

    def _denoised(self, blocks: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        return denoise_blocks(blocks) if self.audio.denoise else blocks


class _Counted:
    """Passes blocks on, counts their samples and keeps the time allowed for a file."""

    def __init__(self, blocks: Iterable[np.ndarray], timeout_s: float, clock: Callable[[], float]) -> None:
        self.blocks, self.timeout_s, self.clock, self.samples = blocks, timeout_s, clock, 0
        self.spent_s = self.told_s = 0.0

    @property
    def duration_s(self) -> float:
        return self.samples / SAMPLE_RATE

    def taken_s(self) -> float:
        """Seconds spent on blocks since this was asked last."""
        taken, self.told_s = self.spent_s - self.told_s, self.spent_s
        return taken

    def __iter__(self) -> Iterator[np.ndarray]:
        resumed = self.clock()
        for block in self.blocks:
            self.spent_s += self.clock() - resumed
            if self.spent_s > self.timeout_s:
                raise TimedOut(f"not decoded within {self.timeout_s:g} s")
            self.samples += len(block)
            yield block
            resumed = self.clock()
