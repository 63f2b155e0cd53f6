"""Waveforms: float32 [T] mono at SAMPLE_RATE."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter1d

from ingest.fingerprint.audio import AudioStream
from ingest.fingerprint.grid import SAMPLE_RATE

SILENT = 1e-3  # standard deviation under which a recording is silent, or constant: −60 dB of full scale
FADE_S = 0.05
LEVEL = 0.1  # RMS of levelled sounds
PEAK = 0.99
FRAME_S, PAUSE_S = 0.02, 0.2
AUDIBLE = 1e-4  # of the power of the loudest moment


def beginning(path: Path, longest_s: float) -> np.ndarray:
    """The first `longest_s` of a file, the rest undecoded. Raises what ingest.fingerprint.audio.decode raises."""
    length = missing = round(longest_s * SAMPLE_RATE)
    blocks = []
    for block in AudioStream(path):
        blocks.append(block)
        missing -= len(block)
        if missing <= 0:
            break
    return np.concatenate(blocks)[:length]


def seconds(samples: np.ndarray) -> float:
    return len(samples) / SAMPLE_RATE


def is_silent(samples: np.ndarray) -> bool:
    """Whether nothing moves in it; an offset alone is silence."""
    return len(samples) == 0 or float(np.std(samples)) < SILENT


def unclipped(samples: np.ndarray) -> np.ndarray:
    """`samples`, turned down where they would leave −1…1."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples if peak <= PEAK else np.asarray(samples * np.float32(PEAK / peak))


def levelled(samples: np.ndarray) -> np.ndarray:
    """At the RMS of LEVEL, unless the peaks forbid it, with fades of FADE_S at both ends."""
    centred = samples - samples.mean()
    loud = centred * np.float32(LEVEL / max(float(np.sqrt(np.mean(centred**2))), 1e-9))
    ramp = np.linspace(0, 1, min(round(FADE_S * SAMPLE_RATE), len(loud) // 2), dtype=np.float32)
    if len(ramp):
        loud[: len(ramp)] *= ramp
        loud[-len(ramp) :] *= ramp[::-1]
    return unclipped(loud)


def lively(samples: np.ndarray) -> np.ndarray:
    """Without its pauses: what lies further than PAUSE_S from anything within 40 dB of the loudest moment.

    In whole frames; what is shorter than two comes back as it is.
    """
    frame = round(FRAME_S * SAMPLE_RATE)
    if len(samples) < 2 * frame:
        return samples
    powers = np.square(samples[: len(samples) // frame * frame]).reshape(-1, frame).mean(axis=1)
    near = round(PAUSE_S / FRAME_S)
    heard: np.ndarray = maximum_filter1d(powers > powers.max() * AUDIBLE, 2 * near + 1)
    kept: np.ndarray = samples[: len(heard) * frame][np.repeat(heard, frame)]
    return kept


def joined(sounds: Sequence[np.ndarray], each_s: float, total_s: float) -> np.ndarray:
    """The sounds one after the other without their pauses, levelled, each cut to `each_s`.

    If that is more than `total_s`, every second, or third, … is taken.
    """
    cut = [lively(sound)[: round(each_s * SAMPLE_RATE)] for sound in sounds]
    share = min(1.0, total_s / max(sum(map(seconds, cut)), 1e-9))
    chosen = [sound for i, sound in enumerate(cut) if int((i + 1) * share) > int(i * share)]
    return np.concatenate([levelled(sound) for sound in chosen or cut[:1]])[: round(total_s * SAMPLE_RATE)]


def digest(samples: np.ndarray) -> str:
    """Of the audio as it is stored, in 16 bits: the same for a file and for what it was made from."""
    pcm = np.round(unclipped(samples).astype(np.float64) * 32_768).astype(np.int16)
    return hashlib.sha256(pcm.tobytes()).hexdigest()[:16]
