"""The decode processes of a service: some for clips, from upload to upload, and one for each long recording."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

import numpy as np

from ingest.fingerprint import EMBEDDING_HOP, SAMPLE_RATE, BadInput
from serve.clip import Clip
from serve.config import BoundsConfig
from serve.decoding.frames import BadFrame
from serve.decoding.process import DecodeProcess, Told
from serve.problems import DecodeFailed
from serve.recording import Pcm, cells_of

CLIP_WORKER, RECORDING_WORKER = "serve.decoding.clip_worker", "serve.decoding.recording_worker"
SAMPLE_BYTES = 2


class Decoders:
    """At most `bounds.decoders` processes for clips, started as they are needed; safe to share between threads.

    `clip_worker` and `recording_worker` are the modules that they run.
    """

    def __init__(
        self,
        bounds: BoundsConfig,
        *,
        clip_worker: str = CLIP_WORKER,
        recording_worker: str = RECORDING_WORKER,
    ) -> None:
        self._bounds = bounds
        self._clip_worker, self._recording_worker = clip_worker, recording_worker
        self._turn = threading.Semaphore(bounds.decoders)
        self._idle: deque[DecodeProcess] = deque()
        self._closed = False

    def warm(self) -> None:
        """Have one process start; the first upload waits for what is left of that. Raises DecoderAway."""
        self._idle.append(self._started())

    def clip(self, data: bytes, start_s: float | None = None) -> Clip:
        """What is matched of an upload; blocks.

        Raises UnreadableAudio, NoAudioStream, TooShort, TooLong; DecodeTimeout, DecodeFailed, DecoderAway.
        """
        with self._turn, ExitStack() as failed:
            process = self._taken()
            failed.callback(process.close)
            process.wait_ready()
            answer = self._asked(process, data, start_s)
            failed.pop_all()
            self._give_back(process)
        if isinstance(answer, BadInput):
            raise answer
        return answer

    def recording(self, file: IO[bytes]) -> DecodedRecording:
        """The windows of a long recording, to be closed; the file is read from its start, and not moved."""
        return DecodedRecording(file, self._bounds, self._recording_worker)

    def close(self) -> None:
        """Kill what is idle; what is busy ends with its work, or its bounds."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _asked(self, process: DecodeProcess, data: bytes, start_s: float | None) -> Clip | BadInput:
        bounds = self._bounds
        wish = {"clip_s": bounds.clip_s, "upload_s": bounds.upload_s, "start_s": start_s}
        process.ask(wish | {"decode_s": bounds.decode_s}, data, bounds.decode_s)
        return process.answer(_clip, round(bounds.clip_s * SAMPLE_RATE) * SAMPLE_BYTES, bounds.decode_s)

    def _taken(self) -> DecodeProcess:
        """One that lives: what is idle may have been killed by somebody else."""
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            process.close()
        return self._started()

    def _give_back(self, process: DecodeProcess) -> None:
        self._idle.append(process)
        if self._closed:
            self.close()

    def _started(self) -> DecodeProcess:
        return DecodeProcess(self._clip_worker, (self._bounds.decode_memory_mib,))


class DecodedRecording:
    """A long recording that another process decodes, window by window.

    `duration_s` is what was decoded so far, `share` how much of the bytes that took, from 0 to 1.
    """

    def __init__(self, file: IO[bytes], bounds: BoundsConfig, module: str) -> None:
        self._file, self._bounds, self._module = file, bounds, module
        self._changing = threading.Lock()
        self._process: DecodeProcess | None = None
        self._closed = False
        self.duration_s = self.share = 0.0

    def __iter__(self) -> Iterator[Pcm]:
        """Windows, int16 [T] between their surroundings; blocks.

        Raises UnreadableAudio, NoAudioStream, TooLong, TooShort; DecodeTimeout, DecodeFailed, DecoderAway.
        """
        bounds = self._bounds
        process = self._started()
        process.wait_ready()
        wish = {"window_s": bounds.timeline_window_s, "max_s": bounds.timeline_s, "decode_s": bounds.decode_s}
        process.ask(wish, b"", bounds.decode_s)
        most = cells_of(bounds.timeline_window_s) * EMBEDDING_HOP * SAMPLE_BYTES
        while (window := self._next(process, most)) is not None:
            yield window

    def _next(self, process: DecodeProcess, most: int) -> Pcm | None:
        answer = process.answer(_window, most, self._bounds.decode_s)
        if isinstance(answer, BadInput):
            raise answer
        window, self.duration_s, self.share = answer
        return window

    def _started(self) -> DecodeProcess:
        """The file is opened once more, to be read only, from its start."""
        source = os.open(f"/proc/self/fd/{self._file.fileno()}", os.O_RDONLY)
        try:
            with self._changing:
                if self._closed:
                    raise DecodeFailed("nobody waits for it any more")
                self._process = DecodeProcess(self._module, (self._bounds.decode_memory_mib, source), (source,))
                return self._process
        finally:
            os.close(source)

    def close(self) -> None:
        """Kill what decodes it."""
        with self._changing:
            self._closed = True
            if self._process is not None:
                self._process.close()


def _clip(told: Told, samples: bytearray) -> Clip:
    return Clip(_pcm(samples), _number(told, "start_s"), _number(told, "duration_s"))


def _window(told: Told, samples: bytearray) -> tuple[Pcm | None, float, float]:
    """The next window, None at the end, the seconds so far, and the share of the bytes."""
    window = None if told.get("end") else _pcm(samples)
    return window, _number(told, "duration_s"), min(1.0, max(0.0, _number(told, "share")))


def _number(told: Told, name: str) -> float:
    value = told.get(name)
    if not isinstance(value, int | float):
        raise BadFrame(f"{name} is no number")
    return float(value)


def _pcm(samples: bytearray) -> Pcm:
    if len(samples) % SAMPLE_BYTES:
        raise BadFrame("half a sample")
    return np.frombuffer(samples, np.int16)
