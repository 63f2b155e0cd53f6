"""Small corpora of generated sound."""

import numpy as np

from ingest.fingerprint.pcm import to_int16
from ingest.training.corpus import Corpus
from tests.fingerprint.signals import melody


def corpus(*waveforms: np.ndarray, name: str = "piece") -> Corpus:
    """Waveforms [T] under numbered names."""
    return Corpus(tuple(f"{name}-{i}.wav" for i in range(len(waveforms))), tuple(map(to_int16, waveforms)))


def melodies(count: int, seconds: float) -> Corpus:
    return corpus(*(melody(seconds, seed=i) for i in range(count)))


def noises(count: int = 2, seconds: float = 1.5, name: str = "noise") -> Corpus:
    rng = np.random.default_rng(5)
    return corpus(*(0.1 * rng.standard_normal((count, int(seconds * 8_000)))), name=name)
