"""Denoising turns noise down, and music less."""

import numpy as np
import pytest

from ingest.fingerprint import SAMPLE_RATE, denoise
from ingest.fingerprint.denoise import PIECE_S, PROFILE_S, denoise_blocks, quietest

pytestmark = pytest.mark.integration  # the library takes seconds to load


def chords(seconds: float) -> np.ndarray:
    """Seventeen harmonics of 220 Hz, on for three quarters of a second, off for as long."""
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sounding = np.arange(len(time_s)) // 6_000 % 2 == 0
    return np.asarray(0.1 * sum(np.sin(2 * np.pi * 220 * k * time_s) / np.sqrt(k) for k in range(1, 18)) * sounding)


def noisy(seconds: float) -> np.ndarray:
    music = chords(seconds)
    return np.asarray(music + 0.05 * np.random.default_rng(0).standard_normal(len(music)), np.float32)


def test_noise_goes_down_and_music_stays() -> None:
    """Between the chords it is at least 9 dB quieter; the chords lose at least 3 dB less than the noise."""
    heard = noisy(6.0)
    cleaned = denoise(heard)
    assert cleaned.dtype == np.float32 and cleaned.shape == heard.shape
    pause, chord = slice(18_500, 23_500), slice(24_500, 29_500)
    noise_db = 20 * np.log10(np.std(cleaned[pause]) / np.std(heard[pause]))
    music = chords(6.0)[chord]
    music_db = 20 * np.log10(cleaned[chord] @ music / (music @ music))
    assert noise_db < -9
    assert music_db > noise_db + 3


@pytest.mark.parametrize("length", [0, 1, 300, 4_000, 8_000])
def test_silence_and_scraps_stay_as_they_are(length: int) -> None:
    """Silence is left alone, and so is a clip too short to hold both noise and music."""
    silence, scrap = np.zeros(length, np.float32), noisy(2.0)[: min(length, round(PROFILE_S * SAMPLE_RATE))]
    assert np.array_equal(denoise(silence), silence)
    assert np.array_equal(denoise(scrap), scrap)


def test_the_quietest_stretch() -> None:
    """It is where the energy is least, of the length asked for, or all there is."""
    samples = np.ones(1_000, np.float32)
    samples[600:700] = 0.1
    assert np.array_equal(quietest(samples, 100), samples[600:700])
    assert np.array_equal(quietest(samples, 1_000), samples)
    assert np.array_equal(quietest(samples, 5_000), samples)


def test_a_stream_is_cleaned_in_pieces_and_not_block_by_block() -> None:
    """The small blocks of a decoder are joined to pieces before cleaning: no sample is lost."""
    heard = noisy(PIECE_S + 2.0)
    pieces = list(denoise_blocks(np.array_split(heard, 400)))
    assert len(pieces) == 2 and sum(map(len, pieces)) == len(heard)
    assert np.allclose(pieces[0], denoise(heard[: len(pieces[0])]))
    assert list(denoise_blocks([])) == []
