"""Optional spectral gating of queries (noisereduce; Sainburg et al., 2020). Off unless asked for: docs/benchmarks.md
shows what it does to recognition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ingest.fingerprint.grid import SAMPLE_RATE

PIECE_S = 60.0  # how much of a stream is cleaned at a time: the estimate of the noise wants seconds, not blocks


def denoise(samples: np.ndarray, strength: float = 0.8) -> np.ndarray:
    """float32 [T] with steady and slowly changing noise turned down by `strength` (0 … 1)."""
    from noisereduce import reduce_noise

    if not samples.any():
        return samples
    cleaned = reduce_noise(
        y=samples, sr=SAMPLE_RATE, stationary=False, prop_decrease=strength, n_fft=512, time_constant_s=1.0
    )
    return np.asarray(cleaned, np.float32)


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
