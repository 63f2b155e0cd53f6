"""Waveforms as 16-bit integers: how they travel between stages, at half the size of floats.

Lossy codecs and downmixes overshoot full scale (by 8 dB, seen on 5.1 music), so ±1 is 12 dB below the largest value;
what is lost below, 84 dB under full scale, lies under the floor of the front end.
"""

from __future__ import annotations

import numpy as np

FULL_SCALE = 8_192  # the 16-bit value of a sample of 1.0


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Float samples [T] as int16; beyond ±4 they are clipped.

    >>> to_int16(np.array([0.5, -1.0, 9.0])).tolist()
    [4096, -8192, 32767]
    """
    return np.asarray(np.round(np.clip(samples * FULL_SCALE, -32768, 32767)), np.int16)


def to_float(samples: np.ndarray) -> np.ndarray:
    """int16 samples [T] as float32; float samples as they are.

    >>> to_float(np.array([4096], np.int16)).tolist()
    [0.5]
    """
    if samples.dtype == np.int16:
        return np.asarray(samples, np.float32) / FULL_SCALE
    return np.asarray(samples, np.float32)
