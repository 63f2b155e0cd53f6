"""Which moments are too quiet to say anything."""

from __future__ import annotations

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.pcm import to_float

SILENCE_DBFS = -60.0  # root mean square of a crop; 16-bit dither lies near −96, a quiet passage of music near −45


def audible_cells(samples: np.ndarray, cells: int, crop: int, silence_dbfs: float = SILENCE_DBFS) -> np.ndarray:
    """bool [cells]: whether crop n, [n · EMBEDDING_HOP, n · EMBEDDING_HOP + crop), is louder than the threshold.

    samples: float or int16 [T].
    """
    energy = np.concatenate([[0.0], np.cumsum(np.square(to_float(samples), dtype=np.float64))])
    starts = np.arange(cells) * EMBEDDING_HOP
    ends = np.minimum(starts + crop, len(samples))
    power = (energy[ends] - energy[np.minimum(starts, len(samples))]) / crop
    audible: np.ndarray = power > 10 ** (silence_dbfs / 10)
    return audible
