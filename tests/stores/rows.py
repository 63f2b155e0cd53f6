"""What lies beside a vector, for tests of whatever holds it."""

import numpy as np
import numpy.typing as npt

from ingest.fingerprint import NO_PEAK, PEAKS_A_SEGMENT


def random_peaks(count: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    """Peaks of `count` segments, in order of time: none of the first segment, one of the second … all of the 17th."""
    rng = np.random.default_rng(seed)
    found = np.sort(rng.integers(0, 1 << 12, (count, PEAKS_A_SEGMENT), np.uint16), axis=1)
    missing = np.arange(PEAKS_A_SEGMENT) >= np.arange(count)[:, None] % (PEAKS_A_SEGMENT + 1)
    found[missing] = NO_PEAK
    return found
