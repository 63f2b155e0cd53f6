"""Signals for the tests of the service: seeded melodies, and the bytes of audio files."""

import functools
import io
import wave

import av
import numpy as np
import numpy.typing as npt

RATE = 8_000
NOTE_S = 0.37
LOWEST_HZ = 150.0

Samples = npt.NDArray[np.float32]


def melody(seed: int, duration_s: float) -> Samples:
    """A random melody of two voices; float32 [T] within ±0.8."""
    random = np.random.default_rng(seed)
    notes = int(duration_s / NOTE_S) + 1
    times = np.arange(int(NOTE_S * RATE)) / RATE
    envelope = np.exp(-3 * times) * np.minimum(1, times * 100)
    voices = []
    for _ in range(2):
        pitches = LOWEST_HZ * 2 ** (random.integers(0, 40, notes) / 12)
        tones = [sum(np.sin(2 * np.pi * f * h * times) / h for h in (1, 2, 3)) * envelope for f in pitches]
        voices.append(np.concatenate(tones))
    mixed = sum(voices)[: int(duration_s * RATE)]
    return (0.8 * mixed / np.abs(mixed).max()).astype(np.float32)


def wav(samples: Samples, rate: int = RATE) -> bytes:
    """Samples in ±1 as a 16-bit mono wav file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def wav_without_samples() -> bytes:
    return wav(np.zeros(0, np.float32))


@functools.cache
def long_silence(duration_s: float, container: str = "flac", codec: str = "flac", rate: int = RATE) -> bytes:
    """Silence, which takes next to no bytes, as a compressed file."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        piece = av.AudioFrame.from_ndarray(np.zeros((1, rate * 10), np.int16), format="s16", layout="mono")
        piece.sample_rate = rate
        for _ in range(round(duration_s / 10)):
            piece.pts = None
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return buffer.getvalue()
