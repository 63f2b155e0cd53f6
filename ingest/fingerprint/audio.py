"""Anything FFmpeg opens → mono float samples at SAMPLE_RATE, streamed.

One pass from the first sample, through one resampler: nothing seeks, so sample n always means time n / SAMPLE_RATE
since the start of the audio stream.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.resampler import AudioResampler

from ingest.errors import MissingFile, NoAudioStream, TooLong, UnreadableAudio
from ingest.fingerprint.grid import SAMPLE_RATE

Source = str | Path | bytes | BinaryIO

# A file is truncated when it holds less than this share of what its header declares, less some slack: durations that
# FFmpeg estimates from a bit rate are not exact. Ogg, and WAV from a pipe, declare none.
LEAST_SHARE, SLACK_S = 0.98, 0.5

# What PyAV raises for a container or packet that FFmpeg cannot make sense of.
DECODE_ERRORS = (av.error.FFmpegError, ValueError)


@dataclass(frozen=True)
class DecodedAudio:
    """samples: float32 [T], mono, SAMPLE_RATE. truncated: the file broke off and this is what came before."""

    samples: np.ndarray
    truncated: bool = False

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass
class AudioStream:
    """Iterate over float32 blocks [T] of one source; `truncated` is known once the iteration has ended."""

    source: Source
    max_s: float | None = None
    truncated: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[np.ndarray]:
        with _open(self.source) as container:
            if not container.streams.audio:
                raise NoAudioStream("there is no audio stream in it")
            yield from self._limited(self._blocks(container))

    def _blocks(self, container: av.container.InputContainer) -> Iterator[np.ndarray]:
        seen = 0
        for block in _resampled(self._frames(container)):
            seen += len(block)
            yield block
        if not seen:
            raise UnreadableAudio("no audio could be decoded from it")
        self.truncated |= seen / SAMPLE_RATE < LEAST_SHARE * _declared_s(container) - SLACK_S

    def _frames(self, container: av.container.InputContainer) -> Iterator[av.AudioFrame]:
        """Decoded frames up to the first break. A packet that alone is damaged is passed over."""
        stream = container.streams.audio[0]
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except DECODE_ERRORS:
                self.truncated = True
                return
            try:
                yield from packet.decode()
            except DECODE_ERRORS:
                self.truncated = True

    def _limited(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        total = 0
        for block in blocks:
            total += len(block)
            if self.max_s is not None and total > self.max_s * SAMPLE_RATE:
                raise TooLong(f"longer than the limit of {self.max_s:g} s")
            yield np.nan_to_num(block, copy=False, posinf=0.0, neginf=0.0)


def decode(source: Source, *, max_s: float | None = None) -> DecodedAudio:
    """The whole of a short source in memory.

    Raises UnreadableAudio, NoAudioStream, TooLong (more than `max_s`) or MissingFile.
    """
    stream = AudioStream(source, max_s)
    blocks = list(stream)
    return DecodedAudio(np.concatenate(blocks), stream.truncated)


def _resampled(frames: Iterator[av.AudioFrame]) -> Iterator[np.ndarray]:
    """Mono float32 blocks [T]. A stream may change its rate or channels on the way: then a new resampler takes over."""
    resampler, form = _resampler(), None
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form not in (None, found):
            yield from _arrays(resampler.resample(None))
            resampler = _resampler()
        form = found
        yield from _arrays(resampler.resample(frame))
    if form is not None:
        yield from _arrays(resampler.resample(None))


def _resampler() -> AudioResampler:
    return AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _arrays(frames: Iterable[av.AudioFrame]) -> Iterator[np.ndarray]:
    return (frame.to_ndarray()[0] for frame in frames)


def _declared_s(container: av.container.InputContainer) -> float:
    stream = container.streams.audio[0]
    if stream.duration is None or stream.time_base is None:
        return 0.0
    return float(stream.duration * stream.time_base)


def _open(source: Source) -> av.container.InputContainer:
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    elif isinstance(source, (str, Path)):
        source = f"file:{source}"  # a plain name: FFmpeg must not read "concat:", "http:" or the like into it
    try:
        return av.open(source, mode="r", metadata_errors="replace")
    except (av.error.FileNotFoundError, av.error.PermissionError) as error:
        raise MissingFile(f"cannot be opened: {error.strerror}") from error
    except DECODE_ERRORS as error:
        raise UnreadableAudio("no decoder makes sense of it") from error
