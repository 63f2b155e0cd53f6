"""The front end against scipy's short-time spectrum, and its promises: gain, silence, pitch."""

import librosa
import numpy as np
import pytest
import torch
from scipy import signal

from ingest.fingerprint import SAMPLE_RATE
from ingest.fingerprint.architecture import FFT_SIZE, FrontEndConfig
from ingest.fingerprint.frontend import FrontEnd, band_edges_hz, band_filters
from tests.fingerprint.signals import melody, tone

CONFIG = FrontEndConfig()
CENTRES_HZ = np.geomspace(CONFIG.min_hz, CONFIG.max_hz, CONFIG.bands)


def bands(samples: np.ndarray) -> np.ndarray:
    """[F, frames]"""
    return np.asarray(FrontEnd(CONFIG)(torch.from_numpy(samples)[None])[0].numpy())


def test_it_is_the_spectrogram_of_scipy_in_bands() -> None:
    """Band powers equal those from scipy's short-time Fourier transform with the filters laid over it."""
    samples = melody(2.0)
    window = signal.windows.hann(FFT_SIZE, sym=False)
    transform = signal.ShortTimeFFT(window * 2 / window.sum(), CONFIG.hop, SAMPLE_RATE, phase_shift=None)
    frames = (len(samples) - FFT_SIZE) // CONFIG.hop + 1
    first = FFT_SIZE // 2 // CONFIG.hop  # scipy's slice p is centred on sample p · hop
    power = np.abs(transform.stft(samples, p0=first, p1=first + frames)) ** 2
    expected = np.log1p(band_filters(CONFIG).T @ power / 10 ** (CONFIG.floor_dbfs / 10))
    found = bands(samples)
    assert found.shape == expected.shape == (CONFIG.bands, frames)
    assert np.allclose(found, expected, atol=2e-3)


def test_filters_are_triangles_of_unit_gain_around_log_spaced_centres() -> None:
    """Each filter peaks within a bin of its centre, at 1 less what falls between bins, and has no gap to the next."""
    filters = band_filters(CONFIG)
    bin_hz = SAMPLE_RATE / FFT_SIZE
    assert filters.shape == (FFT_SIZE // 2 + 1, CONFIG.bands)
    assert np.all(np.abs(np.argmax(filters, axis=0) * bin_hz - CENTRES_HZ) <= bin_hz)
    assert np.all((filters.max(axis=0) > 0.5) & (filters.max(axis=0) <= 1))
    inside = filters[int(CONFIG.min_hz / bin_hz) + 1 : int(CONFIG.max_hz / bin_hz)]
    assert np.all(inside.sum(axis=1) > 0)


def test_mel_bands_follow_librosa() -> None:
    """On the mel scale the centres are those of librosa's HTK formula."""
    config = FrontEndConfig(bands=40, scale="mel")
    mel = librosa.mel_frequencies(40, fmin=config.min_hz, fmax=config.max_hz, htk=True)
    assert np.allclose(band_edges_hz(config)[1:-1], mel)


def test_a_full_scale_tone_has_power_one() -> None:
    """A sine of amplitude 1 in the middle of a band stands 75 dB above the floor, give or take the window's spread."""
    band = 60
    value = bands(tone(float(CENTRES_HZ[band]), 1.0, amplitude=1.0))[band].mean()
    assert value == pytest.approx(np.log(10 ** (-CONFIG.floor_dbfs / 10)), abs=0.41)  # 1.76 dB


def test_gain_adds_one_constant() -> None:
    """Well above the floor, twelve decibels more are the same amount more in every band and frame."""
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, SAMPLE_RATE).astype(np.float32)
    quiet, loud = bands(noise), bands(4 * noise)
    above = quiet > 5
    assert above.mean() > 0.98
    assert np.allclose((loud - quiet)[above], np.log(16), atol=0.02)


def test_silence_is_zero() -> None:
    """Digital silence is exactly zero, and 16-bit dither nearly so."""
    assert not bands(np.zeros(SAMPLE_RATE, np.float32)).any()
    dither = np.random.default_rng(0).integers(-1, 2, SAMPLE_RATE) / 32_768
    assert bands(dither.astype(np.float32)).max() < 0.05


@pytest.mark.parametrize("semitones", [1, 3, -5])
def test_pitch_is_a_shift_along_the_bands(semitones: int) -> None:
    """A tone some semitones higher lies that many semitones' worth of bands further up, with the same shape."""
    hz = 1_200.0
    per_semitone = (CONFIG.bands - 1) / (12 * np.log2(CONFIG.max_hz / CONFIG.min_hz))
    low, high = (bands(tone(pitch, 1.0))[:, 5] for pitch in (hz, hz * 2 ** (semitones / 12)))
    lags = np.arange(-40, 41)
    likeness = [float(np.corrcoef(np.roll(low, lag)[40:-40], high[40:-40])[0, 1]) for lag in lags]
    assert lags[int(np.argmax(likeness))] == pytest.approx(semitones * per_semitone, abs=0.75)
    assert max(likeness) > 0.9


def test_frames_begin_every_hop_and_nothing_is_padded() -> None:
    """An impulse shows in exactly the frames whose window covers it."""
    samples = np.zeros(FFT_SIZE + 20 * CONFIG.hop, np.float32)
    at = 1_500
    samples[at] = 1.0
    heard = bands(samples).any(axis=0)
    starts = np.arange(21) * CONFIG.hop
    assert heard.tolist() == ((starts < at) & (at < starts + FFT_SIZE)).tolist()
