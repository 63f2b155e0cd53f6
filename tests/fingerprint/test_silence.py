"""Silence is what lies below the threshold over a whole crop."""

import numpy as np
import pytest

from ingest.fingerprint import EMBEDDING_HOP
from ingest.fingerprint.pcm import to_int16
from ingest.fingerprint.silence import audible_cells
from tests.fingerprint.signals import tone

CROP = 9_216


def naive(samples: np.ndarray, cells: int, threshold_dbfs: float) -> list[bool]:
    """The definition, crop by crop."""
    crops = [np.pad(samples[n * EMBEDDING_HOP :][:CROP], (0, CROP)) for n in range(cells)]
    return [float(np.sum(np.square(c, dtype=float)) / CROP) > 10 ** (threshold_dbfs / 10) for c in crops]


def test_it_is_the_level_of_every_crop() -> None:
    """The running sum equals the definition, beyond the end of the samples too."""
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(80_000) * np.repeat(10.0 ** rng.uniform(-5, 0, 10), 8_000)).astype(np.float32)
    for threshold in (-60.0, -40.0, -20.0):
        assert audible_cells(samples, 80, CROP, threshold).tolist() == naive(samples, 80, threshold)


@pytest.mark.parametrize(("over_db", "audible"), [(0.5, True), (-0.5, False)])
def test_the_threshold_is_in_decibels_of_full_scale(over_db: float, audible: bool) -> None:
    """A steady tone half a decibel over −60 dBFS is heard, one as much below is not."""
    amplitude = np.sqrt(2) * 10 ** ((-60 + over_db) / 20)
    assert audible_cells(tone(1_000, 4.0, amplitude=amplitude), 20, CROP).all() == audible


def test_16_bit_samples_are_judged_alike() -> None:
    """Samples as integers give the same answer as floats."""
    samples = tone(500, 4.0, amplitude=0.01)
    samples[10_000:24_000] = 0
    assert np.array_equal(audible_cells(samples, 20, CROP), audible_cells(to_int16(samples), 20, CROP))


def test_loud_hours_do_not_drown_a_later_silence() -> None:
    """After much loud sound the running sum still tells digital silence and a whisper apart."""
    loud = np.full(8_000 * 600, 3.9, np.float32)
    end = np.concatenate([loud, np.zeros(3 * CROP, np.float32), tone(900, 2.0, amplitude=0.0016)])
    audible = audible_cells(end, len(end) // EMBEDDING_HOP - 9, CROP)
    first_silent = -(-len(loud) // EMBEDDING_HOP)
    assert not audible[first_silent : first_silent + 9].any()
    assert audible[-1]


def test_no_cells_of_no_samples() -> None:
    """An empty waveform has as many silent cells as it is asked for."""
    empty = np.empty(0, np.float32)
    assert audible_cells(empty, 0, CROP).tolist() == []
    assert audible_cells(empty, 2, CROP).tolist() == [False, False]
