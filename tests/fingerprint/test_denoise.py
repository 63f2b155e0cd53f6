"""Denoising turns noise down and keeps the music."""

import numpy as np
import pytest

from ingest.fingerprint import SAMPLE_RATE, denoise
from ingest.fingerprint.denoise import PIECE_S, denoise_blocks
from tests.fingerprint.signals import level, tone

pytestmark = pytest.mark.integration  # the library takes seconds to load


def noisy_tone(seconds: float) -> np.ndarray:
    noise = 0.05 * np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    notes = np.arange(len(noise)) // 6_000 % 2 == 0  # three quarters of a second of tone, as much of pause
    return (tone(1_000, seconds) * notes + noise).astype(np.float32)


def test_steady_noise_goes_down_and_notes_stay() -> None:
    """Between the notes it is at least 6 dB quieter; the notes keep their level within 1.5 dB."""
    noisy = noisy_tone(6.0)
    cleaned = denoise(noisy)
    assert cleaned.dtype == np.float32 and cleaned.shape == noisy.shape
    pause, note = slice(18_500, 23_500), slice(24_500, 29_500)
    assert np.std(cleaned[pause]) < 0.5 * np.std(noisy[pause])
    assert level(cleaned[note], 1_000) == pytest.approx(level(noisy[note], 1_000), rel=0.19)


def test_strength_is_how_much() -> None:
    """At strength 0 nothing changes."""
    noisy = noisy_tone(2.0)
    assert np.allclose(denoise(noisy, 0.0), noisy, atol=1e-4)


@pytest.mark.parametrize("length", [0, 1, 300, 8_000])
def test_silence_and_scraps_pass(length: int) -> None:
    """Silence of any length is left alone, and scraps shorter than a spectrum are cleaned without complaint."""
    assert np.array_equal(denoise(np.zeros(length, np.float32)), np.zeros(length, np.float32))
    assert denoise(noisy_tone(2.0)[:length]).shape == (length,)


def test_a_stream_is_cleaned_in_pieces_and_not_block_by_block() -> None:
    """The small blocks of a decoder are joined to pieces before cleaning: no sample is lost."""
    noisy = noisy_tone(PIECE_S + 2.0)
    pieces = list(denoise_blocks(np.array_split(noisy, 400)))
    assert len(pieces) == 2 and sum(map(len, pieces)) == len(noisy)
    assert np.allclose(pieces[0], denoise(noisy[: len(pieces[0])]))
    assert list(denoise_blocks([])) == []
