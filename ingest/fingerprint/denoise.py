"""Optional spectral gating of queries (noisereduce; Sainburg et al., 2020). Off unless asked for: docs/benchmarks.md
shows what it does to recognition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ingest.fingerprint.grid import SAMPLE_RATE

PROFILE_S = 0.5  # the quietest stretch of so much shows the noise; gated by the whole clip, notes go like noise
PIECE_S = 60.0  # how much of a stream is cleaned at a time: the decoder's blocks are far too short


def denoise(samples: np.ndarray, strength: float = 0.8) -> np.ndarray:
    """float32 [T] with steady noise turned down by `strength` (0 … 1). Clips no longer than the profile stay."""
    from noisereduce import reduce_noise

    profile = quietest(samples, round(PROFILE_S * SAMPLE_RATE))
    if len(profile) == len(samples) or not profile.any():
        return samples
    cleaned = reduce_noise(
        y=samples, sr=SAMPLE_RATE, stationary=True, y_noise=profile, prop_decrease=strength, n_fft=512
    )
    return np.asarray(cleaned, np.float32)


def quietest(samples: np.ndarray, length: int) -> np.ndarray:
    """The stretch [length] of least energy, or all of [T] where that is shorter."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    if len(samples) <= length:
        return samples
    start = int(np.argmin(energy[length:] - energy[:-length]))
    return samples[start : start + length]


def denoise_blocks(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """`denoise` for a stream of float32 blocks [T], piece by piece."""
    held: list[np.ndarray] = []
    length = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length >= PIECE_S * SAMPLE_RATE:
            yield denoise(np.concatenate(held))
            held, length = [], 0
    if held:
        yield denoise(np.concatenate(held))
