"""The sources of every sound: wavetables, damped partials, strings and noise.

T samples, K harmonics or partials, L layers of brightness, W places in a wavetable.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Waveform = NDArray[np.float32]

TABLE = 4096  # W
BLOCK = 64  # samples computed at once by `damped`


def noise(samples: int, rng: np.random.Generator) -> Waveform:
    """White noise float32 [T] of unit RMS."""
    return rng.standard_normal(samples, dtype=np.float32)


def coloured(samples: int, rng: np.random.Generator, slope_db: float) -> Waveform:
    """Noise float32 [T] of unit RMS whose power changes by `slope_db` an octave: 0 is white, −3 pink, −6 brown."""
    if samples == 0:
        return np.zeros(0, np.float32)
    spectrum = np.fft.rfft(noise(samples, rng))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)), 1))
    spectrum *= 10 ** (slope_db * octaves / 20)
    spectrum[0] = 0
    shaped = np.fft.irfft(spectrum, samples)
    return (shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12)).astype(np.float32)


def shaped(samples: Waveform, sample_rate: int, low_hz: float, high_hz: float) -> Waveform:
    """`samples` [..., T] with 12 dB an octave taken away below `low_hz` and above `high_hz`, without delay."""
    count = samples.shape[-1]
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / sample_rate), 1e-3)
    gain = 1 / np.sqrt((1 + (low_hz / frequencies) ** 4) * (1 + (frequencies / high_hz) ** 4))
    return np.fft.irfft(np.fft.rfft(samples) * gain, count).astype(np.float32)


def convolved(samples: Waveform, response: Waveform) -> Waveform:
    """`samples` [..., T] heard through impulse responses [..., R], cut to T."""
    count = samples.shape[-1]
    length = fft.next_fast_len(count + response.shape[-1] - 1, real=True)
    heard: Waveform = fft.irfft(fft.rfft(samples, length) * fft.rfft(response, length), length)[..., :count]
    return heard


def wavetable(amplitudes: NDArray[np.float64], phases: NDArray[np.float64] | None = None) -> Waveform:
    """One period float32 [W] of the harmonics 1…K with these amplitudes [K] and phases in radians [K]."""
    spectrum = np.zeros(TABLE // 2 + 1, np.complex128)
    kept = amplitudes[: TABLE // 2]
    spectrum[1 : len(kept) + 1] = kept * np.exp(-1j * (np.pi / 2 if phases is None else phases[: len(kept)]))
    return np.fft.irfft(spectrum * TABLE / 2, TABLE).astype(np.float32)


def layered(tables: NDArray[np.float32], brightness: NDArray[np.float32], cycles: NDArray[np.float64]) -> Waveform:
    """Tables [L, W] read at `cycles` [T] (periods since the start), crossfaded by `brightness` [T] in 0…L − 1."""
    place = (cycles * TABLE).astype(np.int64) & (TABLE - 1)
    sound = np.zeros(len(cycles), np.float32)
    for layer, table in enumerate(tables):
        weight = np.clip(1 - np.abs(brightness - layer), 0, 1)
        if weight.any():
            sound += weight * table[place]
    return sound


def damped(frequency: float, decay_s: float, samples: int, sample_rate: int) -> Waveform:
    """A sine float32 [T] that falls by 60 dB in `decay_s`; silent when the frequency cannot be represented.

    exp(c(mB + j)) = exp(cmB) · exp(cj) makes T exponentials out of T/B + B.
    """
    if frequency >= 0.47 * sample_rate:
        return np.zeros(samples, np.float32)
    exponent = complex(-np.log(1000) / (decay_s * sample_rate), 2 * np.pi * frequency / sample_rate)
    coarse = np.exp(exponent * BLOCK * np.arange(-(-samples // BLOCK))).astype(np.complex64)
    fine = np.exp(exponent * np.arange(BLOCK)).astype(np.complex64)
    return np.outer(coarse, fine).ravel()[:samples].imag


def plucked(
    frequency: float, decay_s: float, brightness: float, samples: int, sample_rate: int, rng: np.random.Generator
) -> Waveform:
    """A plucked string float32 [T]: Karplus and Strong (1983) with a loop filter tuned to a fraction of a sample.

    The loop delays by one period P = N + s/2 + f: N whole samples, a two-point average of weight s = 1 − brightness/2
    (delay s/2), and linear interpolation for the rest f. A whole period is computed at once.
    """
    period = sample_rate / frequency
    blend = 1 - brightness / 2
    whole = int(period - blend / 2)
    fraction = period - blend / 2 - whole
    taps = np.convolve((1 - blend / 2, blend / 2), (1 - fraction, fraction))
    taps *= 10 ** (-3 * period / (decay_s * sample_rate))
    if whole < 4:
        return np.zeros(samples, np.float32)
    string = np.zeros(samples + 2 * whole + 2, np.float32)
    string[2 : whole + 2] = _pluck(whole, brightness, rng)
    for start in range(whole + 2, samples + whole + 2, whole):
        string[start : start + whole] = (
            taps[0] * string[start - whole : start]
            + taps[1] * string[start - whole - 1 : start - 1]
            + taps[2] * string[start - whole - 2 : start - 2]
        )
    return string[2 : samples + 2]


def _pluck(samples: int, brightness: float, rng: np.random.Generator) -> Waveform:
    """The string's shape as it is let go: noise, softened, and combed by where it was plucked."""
    width = max(1, round(4 * (1 - brightness)))
    burst = np.convolve(noise(samples, rng), np.full(width, 1 / width, np.float32), "same")
    burst -= np.roll(burst, max(1, samples // 5))
    burst -= burst.mean()
    return (burst / max(float(np.abs(burst).max()), 1e-9)).astype(np.float32)
