"""Bytes of a caller → the waveform that is matched."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ingest.fingerprint import SAMPLE_RATE, TooShort, decode, denoise
from ingest.fingerprint.pcm import to_float, to_int16

MIN_CLIP_S = 0.5
STEP_S = 1.0  # between the stretches that are compared for loudness

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Clip:
    """samples: int16 [T] at SAMPLE_RATE, what is matched, scaled as a job scales it for its encoder.

    start_s: where they begin in what was sent.
    """

    samples: Pcm
    start_s: float
    duration_s: float  # of what was sent

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / SAMPLE_RATE

    @property
    def cut(self) -> bool:
        """Whether it is a part of what was sent."""
        return self.start_s > 0 or self.end_s < self.duration_s - 0.5 / SAMPLE_RATE


def read_clip(data: bytes, *, clip_s: float, upload_s: float, start_s: float | None = None) -> Clip:
    """Decode an upload; of one longer than `clip_s`, its loudest stretch of that length, or what begins at `start_s`.

    Raises UnreadableAudio, NoAudioStream, TooShort, or TooLong beyond `upload_s`.
    """
    audio = decode(data, max_s=upload_s)
    if audio.duration_s < MIN_CLIP_S:
        raise TooShort(f"{audio.duration_s:.2f} s of audio; at least {MIN_CLIP_S} s are needed")
    if start_s is None:
        start = loudest_stretch(audio.samples, round(clip_s * SAMPLE_RATE))
    elif audio.duration_s - start_s < MIN_CLIP_S:
        raise TooShort(f"{audio.duration_s:.2f} s of audio; at least {MIN_CLIP_S} s are needed from {start_s:g} s on")
    else:
        start = round(start_s * SAMPLE_RATE)
    stretch = audio.samples[start : start + round(clip_s * SAMPLE_RATE)]
    return Clip(to_int16(stretch), start / SAMPLE_RATE, audio.duration_s)


def denoised(clip: Clip) -> Clip:
    """With steady noise turned down."""
    return replace(clip, samples=to_int16(denoise(to_float(clip.samples))))


def loudest_stretch(samples: npt.NDArray[np.float32], length: int) -> int:
    """First sample of the stretch of `length` with the most energy, the earliest of equals. Shape: samples [T].

    >>> loudest_stretch(np.repeat(np.float32([0, 1, 0]), 8000), 8000)
    8000
    """
    if len(samples) <= length:
        return 0
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - length + 1, round(STEP_S * SAMPLE_RATE))
    return int(starts[np.argmax(energy[starts + length] - energy[starts])])
