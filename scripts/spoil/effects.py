"""What spoils a waveform: noise, rooms, microphones, speed, tempo, pitch, bands, codecs, gain.

T samples, float32, mono. Every function is pure: what is random comes from the generator that it is given.
"""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from scripts.music.files import FORMATS, encode, read
from scripts.music.oscillators import Waveform, coloured, layered, noise, wavetable

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))  # formants, Hz


def add_noise(samples: Waveform, disturbance: Waveform, snr_db: float) -> Waveform:
    """`samples` plus the disturbance [T], scaled so that the ratio of their powers over the whole clip is `snr_db`."""
    signal, disturbing = float(np.mean(samples**2)), float(np.mean(disturbance**2))
    if signal == 0 or disturbing == 0:
        return samples
    scale = np.sqrt(signal / disturbing / 10 ** (snr_db / 10))
    noisy: Waveform = samples + np.float32(scale) * disturbance
    return noisy


def crowd(samples: int, sample_rate: int, rng: np.random.Generator, voices: int = 5) -> Waveform:
    """People talking, float32 [T]: gliding pitches, changing vowels, syllables with pauses, some hiss."""
    talk = 0.1 * coloured(samples, rng, -3)
    for _ in range(voices):
        pitch_hz = float(rng.uniform(95, 240)) * (1 + 0.25 * (_wander(samples, sample_rate, 3, rng) - 0.5))
        tables = np.stack([_vowel(float(pitch_hz.mean()), formants, sample_rate) for formants in VOWELS])
        vowel = (len(VOWELS) - 1) * _wander(samples, sample_rate, 4, rng)
        syllables = np.maximum(_wander(samples, sample_rate, 5, rng) - 0.3, 0) ** 1.5
        talk += 2 * syllables * layered(tables, vowel, np.cumsum(pitch_hz, dtype=np.float64) / sample_rate)
    return talk.astype(np.float32)


def _wander(samples: int, sample_rate: int, rate_hz: float, rng: np.random.Generator) -> Waveform:
    """A random curve in 0…1 that heads for a new value `rate_hz` times a second."""
    seconds = np.arange(samples) / sample_rate
    values = rng.random(int(samples / sample_rate * rate_hz) + 2)
    curve: Waveform = np.interp(seconds * rate_hz, np.arange(len(values)), values).astype(np.float32)
    return curve


def _vowel(pitch_hz: float, formants: Sequence[float], sample_rate: int) -> Waveform:
    frequencies = pitch_hz * np.arange(1, max(2, int(0.45 * sample_rate / pitch_hz)))
    peaks = sum(np.exp(-0.5 * ((frequencies - formant) / 110) ** 2) for formant in formants)
    return wavetable((0.05 + peaks) / np.sqrt(frequencies / pitch_hz))


def events(samples: int, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """A street or a workshop, float32 [T]: hisses, knocks and gliding tones, two a second, over a faint rumble."""
    street = 0.05 * coloured(samples, rng, -6)
    for _ in range(1 + int(rng.poisson(2 * samples / sample_rate))):
        start = int(rng.integers(samples))
        burst = _burst(min(samples - start, round(float(rng.uniform(0.05, 1.0)) * sample_rate)), sample_rate, rng)
        street[start : start + len(burst)] += np.float32(rng.uniform(0.2, 1.0)) * burst
    return street.astype(np.float32)


def _burst(samples: int, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """A noise of one octave, or a tone that glides by up to one, dying away."""
    low_hz = float(np.exp(rng.uniform(np.log(100), np.log(0.2 * sample_rate))))
    if rng.random() < 0.5:
        sound = band_limit(noise(samples, rng), sample_rate, low_hz, 2 * low_hz)
    else:
        pitch_hz = np.geomspace(low_hz, low_hz * 2 ** rng.uniform(-1, 1), samples)
        sound = np.sin(2 * np.pi * np.cumsum(pitch_hz) / sample_rate).astype(np.float32)
    dying: Waveform = (sound * np.exp(-np.arange(samples) / (samples * rng.uniform(0.1, 0.6)))).astype(np.float32)
    return dying / max(float(np.sqrt(np.mean(dying**2))), 1e-9)


def room_response(sample_rate: int, rng: np.random.Generator, rt60_s: float, direct_db: float) -> Waveform:
    """A synthetic room: the direct sound at sample 0, a few early reflections, noise that falls by 60 dB in `rt60_s`.

    `direct_db` is the power of the direct sound over that of all reflections.
    """
    seconds = np.arange(max(1, round(rt60_s * sample_rate))) / sample_rate
    late = noise(len(seconds), rng) * 10 ** (-3 * seconds / rt60_s) * np.clip(seconds / 0.02, 0, 1)
    early = rng.integers(round(0.003 * sample_rate), round(0.04 * sample_rate), size=8) % len(seconds)
    late[early] += rng.choice((-1, 1), size=8) * rng.uniform(0.5, 2.0, size=8)
    late[0] = 0
    late *= np.sqrt(10 ** (-direct_db / 10) / max(float(np.sum(late**2)), 1e-12))
    late[0] = 1.0
    response: Waveform = late.astype(np.float32)
    return response


def reverberate(samples: Waveform, response: Waveform) -> Waveform:
    """`samples` heard through an impulse response, as long and as loud as before; what rings on is cut off."""
    heard = fftconvolve(samples, response)[: len(samples)]
    loudness = float(np.mean(samples**2)) / max(float(np.mean(heard**2)), 1e-12)
    levelled: Waveform = (np.sqrt(loudness) * heard).astype(np.float32)
    return levelled


def microphone_gains(frequencies_hz: NDArray[np.floating[Any]], rng: np.random.Generator) -> NDArray[np.float64]:
    """What a small microphone makes of each frequency: bumps of up to 6 dB between two slopes of 12 dB an octave."""
    bumps_db = np.interp(
        np.log(np.maximum(frequencies_hz, 1)), np.log(np.geomspace(60, 4_000, 8)), rng.uniform(-6, 6, 8)
    )
    low_hz, high_hz = np.exp(rng.uniform(np.log((50, 2_000)), np.log((400, 4_000))))
    slopes = np.sqrt((1 + (low_hz / np.maximum(frequencies_hz, 1)) ** 4) * (1 + (frequencies_hz / high_hz) ** 4))
    gains: NDArray[np.float64] = 10 ** (bumps_db / 20) / slopes
    return gains


def through_microphone(samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """`samples` with the frequency response of a small microphone, without delay."""
    size = 2 * len(samples)  # what rings does not come round
    spectrum = np.fft.rfft(samples, size)
    heard = np.fft.irfft(spectrum * microphone_gains(np.fft.rfftfreq(size, 1 / sample_rate), rng), size)
    return heard[: len(samples)].astype(np.float32)


def change_speed(samples: Waveform, speed: float) -> Waveform:
    """Played `speed` times as fast: shorter and higher above 1."""
    ratio = Fraction(speed).limit_denominator(500)
    played: Waveform = resample_poly(samples, ratio.denominator, ratio.numerator).astype(np.float32)
    return played


def change_tempo(samples: Waveform, sample_rate: int, speed: float) -> Waveform:
    """`speed` times as fast at the same pitch, by a phase vocoder with frames of about 50 ms."""
    frame = 2 ** round(np.log2(0.05 * sample_rate))
    stretched: Waveform = librosa.effects.time_stretch(samples, rate=speed, n_fft=frame)
    return stretched


def change_pitch(samples: Waveform, sample_rate: int, semitones: float) -> Waveform:
    """Higher (or lower) at the same tempo."""
    ratio = 2 ** (semitones / 12)
    return fitted(change_speed(change_tempo(samples, sample_rate, 1 / ratio), ratio), len(samples))


def band_limit(samples: Waveform, sample_rate: int, low_hz: float, high_hz: float) -> Waveform:
    """Only what lies between two frequencies: Butterworth, 24 dB an octave."""
    sections = butter(4, (low_hz, min(high_hz, 0.49 * sample_rate)), "bandpass", fs=sample_rate, output="sos")
    limited: Waveform = sosfilt(sections, samples).astype(np.float32)
    return limited


def transcode(samples: Waveform, sample_rate: int, codec: str, bit_rate: int) -> Waveform:
    """Through a lossy codec (a name of FORMATS) and back, as long as before."""
    scale = np.float32(max(1.0, float(np.abs(samples).max())))
    packed = encode(samples / scale, sample_rate, FORMATS[codec].at(bit_rate))
    return scale * fitted(read(BytesIO(packed), sample_rate), len(samples))


def amplify(samples: Waveform, gain_db: float) -> Waveform:
    """Louder or quieter, clipped to −1…1 as a converter does."""
    clipped: Waveform = np.clip(samples * np.float32(10 ** (gain_db / 20)), -1, 1)
    return clipped


def fitted(samples: Waveform, length: int) -> Waveform:
    """Cut, or padded with silence, to `length` samples."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
