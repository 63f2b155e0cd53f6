"""Optional spectral gating of queries (noisereduce; Sainburg et al., 2020). Off unless asked for: docs/benchmarks.md
shows what it does to recognition."""

from __future__ import annotations

import numpy as np

from ingest.fingerprint.grid import SAMPLE_RATE


def denoise(samples: np.ndarray, strength: float = 0.8) -> np.ndarray:
    """float32 [T] with steady and slowly changing noise turned down by `strength` (0 … 1)."""
    from noisereduce import reduce_noise

    if not samples.any():
        return samples
    cleaned = reduce_noise(
        y=samples, sr=SAMPLE_RATE, stationary=False, prop_decrease=strength, n_fft=512, time_constant_s=1.0
    )
    return np.asarray(cleaned, np.float32)
