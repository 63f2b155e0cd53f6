"""Augmentation as physics: signal-to-noise ratios, delays, spectra, ceilings."""

import numpy as np
import pytest
from scipy import signal

from ingest.fingerprint import SAMPLE_RATE
from ingest.training import augment
from tests.fingerprint.signals import level, melody, peak_hz, tone

SEEDS = range(8)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("snr_db", [-8.0, 0.0, 15.0])
def test_noise_is_mixed_at_its_ratio(snr_db: float) -> None:
    """What is added to the music has the power that the ratio asks for, whatever the levels before."""
    music, noise = melody(2.0), 7 * rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    added = augment.mixed(music, noise, snr_db) - music
    assert 10 * np.log10(np.mean(music**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.05)
    assert np.corrcoef(added, noise)[0, 1] > 0.999


def test_silence_is_mixed_without_a_fuss() -> None:
    """Neither silent music nor silent noise makes anything but finite samples."""
    silence, music = np.zeros(800, np.float32), melody(0.1)
    assert np.isfinite(augment.mixed(silence, music, 0.0)).all()
    assert np.allclose(augment.mixed(music, silence, 0.0), music)


@pytest.mark.parametrize("semitones", [-3, 1, 3])
def test_resampling_moves_pitch_and_length_together(semitones: int) -> None:
    """A tone played faster is shorter by as much as it is higher, and as loud."""
    ratio = 2 ** (semitones / 12)
    faster = augment.resample(tone(900, 2.0), round(2.0 * SAMPLE_RATE / ratio))
    assert peak_hz(faster) == pytest.approx(900 * ratio, rel=0.002)
    assert level(faster, peak_hz(faster)) == pytest.approx(0.5, rel=0.05)


def test_resampling_is_that_of_scipy() -> None:
    """Up or down, the interpolation is scipy's Fourier method."""
    samples = melody(0.5)
    for length in (3_000, 4_000, 4_001, 5_000):
        assert np.allclose(augment.resample(samples, length), signal.resample(samples, length), atol=2e-4)


@pytest.mark.parametrize("rate", np.exp2(np.linspace(-0.3, 0.3, 13)))
def test_quick_lengths_stay_near_the_rate(rate: float) -> None:
    """Whatever the length of a clip, it is read at most so much faster than was asked for."""
    for length in range(8_000, 50_000, 97):
        source, result = augment.resampled_lengths(length, float(rate))
        assert result >= length and 0.999 < source / result / rate < augment.FASTER


@pytest.mark.parametrize("delay", [0, 37, 800])
def test_a_room_that_only_delays_changes_nothing(delay: int) -> None:
    """The direct sound stays where it was: offsets learnt from a room's echo would be wrong."""
    response = np.zeros(1_600, np.float32)
    response[delay] = 0.7
    samples = melody(1.0)
    heard = augment.in_room(samples, response)
    assert np.allclose(heard[: len(samples) - delay], 0.7 * samples[: len(samples) - delay], atol=1e-4)


def test_a_room_adds_its_reflections() -> None:
    """A reflection of half the strength 500 samples later is heard 500 samples later at half the strength."""
    response = np.zeros(600, np.float32)
    response[0], response[500] = 1.0, 0.5
    click = np.zeros(2_000, np.float32)
    click[100] = 1.0
    heard = augment.in_room(click, response)
    assert np.allclose(heard[[100, 600]], [1.0, 0.5], atol=1e-5)
    assert np.abs(np.delete(heard, [100, 600])).max() < 1e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_synthetic_rooms_decay(seed: int) -> None:
    """An impulse response of unit energy that starts with its direct sound and has died away at its end."""
    response = augment.synthetic_room(rng(seed))
    tenth = len(response) // 10
    assert np.linalg.norm(response) == pytest.approx(1.0, abs=1e-5)
    assert 0.1 * SAMPLE_RATE <= len(response) + 1 <= 0.9 * SAMPLE_RATE + 1
    assert np.sum(response[-tenth:] ** 2) < 0.01 * np.sum(response[:tenth] ** 2)


def test_a_magnitude_response_is_what_it_filters() -> None:
    """Each tone leaves with the gain that the response has at its frequency, and in phase."""
    response = np.linspace(1.0, 0.0, 64).astype(np.float32)
    for hz in (200.0, 1_000.0, 3_000.0):
        samples = tone(hz, 1.0)
        heard = augment.filtered(samples, response)
        gain = 1 - hz / (SAMPLE_RATE / 2)
        assert np.allclose(heard[400:-400], gain * samples[400:-400], atol=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_microphones_pass_a_band(seed: int) -> None:
    """Finite, positive, and the middle of the band passes better than the ends of a worn one."""
    response = augment.microphone(rng(seed))
    assert response.shape == (64,) and np.isfinite(response).all() and (response >= 0).all()
    assert response[8:28].mean() > 0.2
    assert response.max() <= 10 ** (9 / 20) + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_overload_has_a_ceiling(seed: int) -> None:
    """Nothing is louder than the ceiling, quiet samples keep their order, and something was clipped."""
    samples = melody(1.0)
    clipped = augment.overloaded(samples, rng(seed))
    ceiling = np.quantile(np.abs(samples), rng(seed).uniform(0.6, 0.98)) + 1e-6
    assert np.abs(clipped).max() <= ceiling * 1.0001
    assert np.abs(clipped).max() < np.abs(samples).max()
    order = np.argsort(samples)
    assert (np.diff(clipped[order]) >= -1e-6).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_coloured_noise_falls_with_frequency(seed: int) -> None:
    """Its power falls by no more than two powers of frequency, and does not rise."""
    noise = augment.coloured_noise(rng(seed), 1 << 16)
    hz, power = signal.welch(noise, SAMPLE_RATE, nperseg=2_048)
    band = (hz > 100) & (hz < 3_500)
    slope = np.polyfit(np.log(hz[band]), np.log(power[band]), 1)[0]
    assert -2.2 < slope < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_events_come_and_go(seed: int) -> None:
    """Finite, of the length asked for, and louder at some times than at others."""
    noise = augment.noise_events(rng(seed), 4 * SAMPLE_RATE)
    levels = np.sqrt((noise.reshape(-1, 800) ** 2).mean(axis=1))
    assert noise.shape == (4 * SAMPLE_RATE,) and np.isfinite(noise).all()
    assert levels.max() > 2 * levels.min() > 0


def test_the_same_generator_gives_the_same_sound() -> None:
    """Every source of chance is the generator that is handed in."""
    for make in (augment.synthetic_room, augment.microphone, lambda r: augment.noise_events(r, 9_000)):
        assert np.array_equal(make(rng(3)), make(rng(3)))
        assert not np.array_equal(make(rng(3))[:50], make(rng(4))[:50])
