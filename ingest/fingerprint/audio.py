"""Anything FFmpeg opens → mono float samples at SAMPLE_RATE, streamed.

One pass from the first sample, through one resampler: nothing seeks, so sample n always means time n / SAMPLE_RATE
since the start of the audio stream.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler

from ingest.errors import MissingFile, NoAudioStream, TooLong, UnreadableAudio
from ingest.fingerprint.grid import SAMPLE_RATE

Source = str | Path | bytes | BinaryIO

# A file is truncated when it holds less than this share of what its header declares, less some slack: durations that
# FFmpeg estimates from a bit rate are not exact. Ogg, and WAV from a pipe, declare none.
LEAST_SHARE, SLACK_S = 0.98, 0.5
GUESSED = frozenset({"aac"})  # bare frames: FFmpeg guesses a duration from the bit rate of the first few
UNKNOWN_BYTES = 0x7FFF0000  # RIFF sizes from here on are what programs write that cannot seek back

# What PyAV raises for a container, packet or frame that FFmpeg cannot make sense of.
DECODE_ERRORS = (av.error.FFmpegError, ValueError)

BREAK_PACKETS = 256  # so many in a row that fail are no damage but a break
BLOCK = 4_096  # samples handed on at once: one frame of an MP3 is 209, and what Python does to each costs time
LOUDEST = 4.0  # samples are cut off here: room for overshoot, and what the 16-bit form holds (pcm)


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
        with _bytes_of(self.source) as file, _open(file) as container:
            if not container.streams.audio:
                raise NoAudioStream("there is no audio stream in it")
            self.truncated = _cut_short(file, container.size)
            yield from self._limited(self._blocks(container))

    def _blocks(self, container: av.container.InputContainer) -> Iterator[np.ndarray]:
        seen = 0
        try:
            for block in _resampled(self._frames(container)):
                seen += len(block)
                yield block
        except DECODE_ERRORS:  # a form that cannot be turned to mono
            self.truncated = True
        if not seen:
            raise UnreadableAudio("no audio could be decoded from it")
        self.truncated |= seen / SAMPLE_RATE < LEAST_SHARE * _declared_s(container) - SLACK_S

    def _frames(self, container: av.container.InputContainer) -> Iterator[av.AudioFrame]:
        """Decoded frames up to the first break. A packet that alone is damaged is passed over."""
        failed = 0
        for packet in self._packets(container):
            try:
                yield from packet.decode()
                failed = 0
            except DECODE_ERRORS:
                self.truncated, failed = True, failed + 1
                if failed == BREAK_PACKETS:
                    return

    def _packets(self, container: av.container.InputContainer) -> Iterator[av.Packet[av.AudioStream]]:
        try:
            yield from container.demux(container.streams.audio[0])
        except (*DECODE_ERRORS, IndexError):  # IndexError: PyAV's, at the end, if a stream appeared on the way
            self.truncated = True

    def _limited(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        total = 0
        for block in blocks:
            total += len(block)
            if self.max_s is not None and total > self.max_s * SAMPLE_RATE:
                raise TooLong(f"longer than the limit of {self.max_s:g} s")
            finite = np.nan_to_num(block, copy=False, posinf=0.0, neginf=0.0)
            yield np.clip(finite, -LOUDEST, LOUDEST, out=finite)


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
    return AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE, frame_size=BLOCK)


def _arrays(frames: Iterable[av.AudioFrame]) -> Iterator[np.ndarray]:
    return (frame.to_ndarray()[0] for frame in frames)


def _declared_s(container: av.container.InputContainer) -> float:
    """What the header says of the duration; 0 where it says nothing."""
    stream = container.streams.audio[0]
    if container.format.name in GUESSED:
        return 0.0
    if stream.duration is None or stream.time_base is None:
        return _clock_s(stream.metadata.get("DURATION", ""))  # Matroska
    return float(stream.duration * stream.time_base)


def _clock_s(clock: str) -> float:
    """
    >>> _clock_s("00:01:20.024000000"), _clock_s("soon")
    (80.024, 0.0)
    """
    parts = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", clock)
    return float(parts[1]) * 3600 + float(parts[2]) * 60 + float(parts[3]) if parts else 0.0


def _cut_short(file: BinaryIO, size: int) -> bool:
    """Whether a RIFF or AIFF file of `size` bytes is shorter than its head says; FFmpeg takes such a WAV for whole."""
    place = file.tell()
    file.seek(0)
    head = file.read(8)
    file.seek(place)
    orders: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}
    declared = int.from_bytes(head[4:], orders.get(head[:4], "big")) if head[:4] in orders else 0
    return declared < UNKNOWN_BYTES and size < LEAST_SHARE * declared


def _bytes_of(source: Source) -> AbstractContextManager[BinaryIO]:
    """The source as an open file. Names are not for FFmpeg, which reads "concat:", "http:" and the like into them."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not isinstance(source, (str, Path)):
        return nullcontext(source)
    try:
        return Path(source).open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise MissingFile(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _open(file: BinaryIO) -> av.container.InputContainer:
    """No protocol is allowed: a playlist must not make FFmpeg open what it names."""
    try:
        return av.open(
            _AsFFmpegReads(file), mode="r", metadata_errors="replace", options={"protocol_whitelist": "none"}
        )
    except DECODE_ERRORS as error:
        raise UnreadableAudio("no decoder makes sense of it") from error


class _AsFFmpegReads:
    """A file that answers a seek to before its start, which FFmpeg tries on an empty one, with −1 and no exception."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.read, self.tell = file, file.read, file.tell
        self.name = str(getattr(file, "name", ""))  # its suffix helps to tell formats apart

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += self.file.seek(0, io.SEEK_END)
        return -1 if offset < 0 else self.file.seek(offset)
