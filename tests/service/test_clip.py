"""From the bytes of a caller to the waveform that is matched."""

import numpy as np
import pytest

from ingest.fingerprint import SilentAudio, TooLong, TooShort
from ingest.fingerprint.pcm import to_float
from serve.clip import denoised, loudest_stretch, read_clip
from tests.service.sounds import RATE, melody, wav


def test_a_short_clip_is_taken_whole() -> None:
    """What fits is matched as it is, sample for sample."""
    samples = melody(1, 4.0)
    clip = read_clip(wav(samples), clip_s=30, upload_s=60)
    assert (clip.start_s, clip.duration_s) == (0.0, 4.0)
    assert np.abs(to_float(clip.samples) - samples).max() < 3e-4


def test_the_loudest_stretch_of_a_long_one() -> None:
    """Of a longer upload the stretch with most energy is taken, and the first of equals."""
    quiet = 0.1 * melody(1, 20.0)
    quiet[7 * RATE : 12 * RATE] *= 9
    clip = read_clip(wav(quiet), clip_s=5, upload_s=60)
    assert (clip.start_s, len(clip.samples), clip.duration_s) == (7.0, 5 * RATE, 20.0)
    assert loudest_stretch(np.ones(20 * RATE, np.float32), 5 * RATE) == 0


def test_the_bounds_of_length_hold() -> None:
    """Shorter than half a second and longer than the bound are refused with the length that counts."""
    with pytest.raises(TooShort, match=r"0\.4"):
        read_clip(wav(melody(1, 0.4)), clip_s=30, upload_s=60)
    with pytest.raises(TooLong):
        read_clip(wav(melody(1, 3.0)), clip_s=30, upload_s=2)


def test_denoising_lowers_steady_noise() -> None:
    """With denoising, the hiss between two notes is far quieter than without."""
    random = np.random.default_rng(0)
    hiss = (0.02 * random.standard_normal(6 * RATE)).astype(np.float32)
    hiss[2 * RATE : 3 * RATE] += 0.5 * melody(3, 1.0)
    clip = read_clip(wav(hiss), clip_s=30, upload_s=60)
    plain, cleaned = to_float(clip.samples), to_float(denoised(clip).samples)
    assert cleaned[4 * RATE :].std() < 0.6 * plain[4 * RATE :].std()


def test_silence_is_left_to_the_encoder() -> None:
    """A silent clip decodes: whether anything is audible is the embeddings' word."""
    assert not read_clip(wav(np.zeros(RATE, np.float32)), clip_s=30, upload_s=60).samples.any()
    assert SilentAudio.code == "silent"
