"""What happens to music between a loudspeaker and a recogniser, as functions on float32 waveforms.

Order of the chain: speed → room → noise → microphone → overload → codec → gain. Rooms are applied with real sound
before the clip, so that tails are real. Each function takes a numpy Generator and is a pure function of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import fft

from ingest.fingerprint.grid import SAMPLE_RATE


@dataclass
class AugmentConfig:
    """How often and how hard each thing happens."""

    speed_chance: float = 0.65
    speed_semitones: float = 3.6
    tempo_chance: float = 0.3
    tempo_range: float = 1.25
    room_chance: float = 0.5
    measured_room_share: float = 0.4
    noise_chance: float = 0.9
    snr_db: tuple[float, float] = (-10.0, 13.0)
    music_snr_db: tuple[float, float] = (0.0, 15.0)  # below 0 dB the other music would be what is heard
    microphone_chance: float = 0.6
    overload_chance: float = 0.15
    codec_chance: float = 0.08
    gain_db: tuple[float, float] = (-30.0, 0.0)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)) + 1e-12))


def resample(x: np.ndarray, length: int) -> np.ndarray:
    """Band-limited resampling of [T] to [length] by Fourier interpolation."""
    if length == len(x):
        return x
    spectrum = fft.rfft(x)
    bins = min(len(spectrum), length // 2 + 1)
    out = fft.irfft(spectrum[:bins], length) * (length / len(x))
    return np.asarray(out, np.float32)


FASTER = 1.06  # times a rate that `resampled_lengths` comes to at most: a quick length may be so much longer


def resampled_lengths(length: int, rate: float) -> tuple[int, int]:
    """(source, result): lengths in about that ratio that a Fourier transform is quick at, the result no shorter.

    >>> resampled_lengths(10_007, 1.1)
    (11250, 10125)
    """
    result = fft.next_fast_len(length, real=True)
    return fft.next_fast_len(round(result * rate), real=True), result


def filtered(x: np.ndarray, response: np.ndarray) -> np.ndarray:
    """[T] through a zero-phase magnitude response given at equally spaced frequencies up to Nyquist."""
    size = fft.next_fast_len(len(x), real=True)
    spectrum = fft.rfft(x, size)
    gains = np.interp(np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, len(response)), response)
    return np.asarray(fft.irfft(spectrum * gains, size)[: len(x)], np.float32)


def synthetic_room(rng: Generator) -> np.ndarray:
    """Impulse response [T]: a direct sound, a few reflections, an exponentially decaying diffuse tail."""
    decay_s = rng.uniform(0.1, 0.9)
    length = int(decay_s * SAMPLE_RATE)
    time_s = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * 10 ** (-3 * time_s / decay_s)
    tail = filtered(tail.astype(np.float32), np.linspace(1.0, rng.uniform(0.2, 1.0), 16))
    for delay in rng.integers(8, 400, size=rng.integers(2, 8)):
        if delay < length:
            tail[delay] += rng.uniform(-3, 3)
    direct_to_tail = 10 ** (rng.uniform(-6, 12) / 20)
    response = tail / (np.linalg.norm(tail) + 1e-9)
    response[0] += direct_to_tail
    return np.asarray(response / np.linalg.norm(response), np.float32)


def in_room(x: np.ndarray, response: np.ndarray) -> np.ndarray:
    """[T] convolved with an impulse response, cut back to [T] with the direct sound in place."""
    response = response[:SAMPLE_RATE]
    direct = int(np.argmax(np.abs(response)))
    size = fft.next_fast_len(len(x) + len(response), real=True)
    wet = fft.irfft(fft.rfft(x, size) * fft.rfft(response, size), size)
    return np.asarray(wet[direct : direct + len(x)], np.float32)


def coloured_noise(rng: Generator, length: int) -> np.ndarray:
    """Noise whose power falls by 0 to 2 powers of frequency."""
    bins = length // 2 + 1
    spectrum = rng.standard_normal(bins) + 1j * rng.standard_normal(bins)
    spectrum *= np.maximum(np.arange(bins) / bins, 20 / 4000) ** (-rng.uniform(0.0, 2.0) / 2)
    return np.asarray(fft.irfft(spectrum, length), np.float32)


def noise_events(rng: Generator, length: int) -> np.ndarray:
    """Bursts of band-limited noise and gliding tones that come and go: unsteady, like a street or a workshop."""
    out = np.zeros(length, np.float32)
    for _ in range(rng.integers(2, 9)):
        size = int(rng.uniform(0.03, 1.5) * SAMPLE_RATE)
        start = int(rng.integers(-size // 2, length))
        envelope = np.hanning(size) if rng.random() < 0.5 else np.exp(-np.arange(size) / (size * rng.uniform(0.1, 0.6)))
        if rng.random() < 0.5:
            response = np.exp(-0.5 * ((np.arange(64) - rng.uniform(2, 60)) / rng.uniform(1.5, 16)) ** 2)
            event = filtered(rng.standard_normal(size).astype(np.float32), response)
        else:
            event = _gliding_tone(rng, size)
        event = event * envelope / rms(event) * 10 ** (rng.uniform(-12, 0) / 20)
        first, last = max(0, start), min(length, start + size)
        if first < last:
            out[first:last] += event[first - start : last - start]
    return np.asarray(out + coloured_noise(rng, length) * (10 ** (rng.uniform(-30, -6) / 20)), np.float32)


def _gliding_tone(rng: Generator, size: int) -> np.ndarray:
    pitch_hz = np.geomspace(rng.uniform(100, 1500), rng.uniform(100, 1500), size)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    tone = sum(np.sin(k * phase) / k ** rng.uniform(0.5, 2) for k in range(1, rng.integers(2, 7)))
    return np.asarray(tone, np.float32)


def microphone(rng: Generator) -> np.ndarray:
    """Magnitude response [64] of a small microphone or a phone line: a bumpy band-pass."""
    frequencies = np.linspace(0, SAMPLE_RATE / 2, 64)
    bumps = np.interp(frequencies, np.geomspace(60, 4000, 8), rng.uniform(-9, 9, 8))
    low_cut = rng.uniform(20, 600) if rng.random() < 0.7 else 20.0
    high_cut = rng.uniform(1800, 3900) if rng.random() < 0.5 else 4000.0
    order = rng.uniform(1, 6)
    response = 1 / np.sqrt(1 + (low_cut / np.maximum(frequencies, 1)) ** (2 * order))
    response /= np.sqrt(1 + (frequencies / high_cut) ** (4 * order))
    return np.asarray(response * 10 ** (bumps / 20), np.float32)


def overloaded(x: np.ndarray, rng: Generator) -> np.ndarray:
    """Soft or hard clipping of the loudest part."""
    ceiling = np.quantile(np.abs(x), rng.uniform(0.6, 0.98)) + 1e-6
    if rng.random() < 0.5:
        return np.asarray(np.clip(x, -ceiling, ceiling), np.float32)
    return np.asarray(ceiling * np.tanh(x / ceiling), np.float32)


def mixed(x: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """x plus noise scaled to the signal-to-noise ratio over the whole of both."""
    return np.asarray(x + noise * (rms(x) / rms(noise) * 10 ** (-snr_db / 20)), np.float32)
