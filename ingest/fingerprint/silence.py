"""Which moments are too quiet to say anything."""

from __future__ import annotations

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.pcm import to_float

ENERGY_HOP = 128  # samples over which energy is summed
SILENCE_DBFS = -60.0  # root mean square of a crop; 16-bit dither lies near −96, a quiet passage of music near −45


def audible_cells(samples: np.ndarray, cells: int, crop: int, silence_dbfs: float = SILENCE_DBFS) -> np.ndarray:
    """bool [cells]: whether crop n, [n · EMBEDDING_HOP, n · EMBEDDING_HOP + crop), is louder than the threshold.

    samples: float or int16 [T]; crop: samples, a whole number of frames.
    """
    assert crop % ENERGY_HOP == 0
    frames = to_float(samples[: len(samples) // ENERGY_HOP * ENERGY_HOP]).reshape(-1, ENERGY_HOP)
    energy = np.concatenate([[0.0], np.cumsum(np.einsum("ij,ij->i", frames, frames), dtype=np.float64)])
    starts = np.arange(cells) * (EMBEDDING_HOP // ENERGY_HOP)
    ends = np.minimum(starts + crop // ENERGY_HOP, len(frames))
    power = (energy[ends] - energy[np.minimum(starts, len(frames))]) / crop
    audible: np.ndarray = power > 10 ** (silence_dbfs / 10)
    return audible
