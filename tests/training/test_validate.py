"""Validation recall: right for encoders whose recall is known."""

import numpy as np
import pytest
import torch

from ingest.fingerprint import EMBEDDING_HOP, SAMPLE_RATE, Embedder, Embeddings, Salience
from ingest.fingerprint.architecture import FrontEndConfig
from ingest.fingerprint.frontend import FrontEnd
from ingest.training.validate import Spoiling, ValidationSet, recall_at_one
from tests.training.corpora import corpus, noises

MUTE = Salience(np.zeros((2, 96), np.int8), 0.032, 1.8)  # nobody listens to it here
CLEAN = (Spoiling("clean"),)


def noisy(*snrs_db: float) -> tuple[Spoiling, ...]:
    return (*CLEAN, *(Spoiling(f"{snr_db:g} dB", snr_db) for snr_db in snrs_db))


class Spectral(Embedder):
    """Vectors that are the spectrum of their cell: exact for music that never returns to a pitch."""

    def __init__(self) -> None:
        self.front_end = FrontEnd(FrontEndConfig())

    def embed(self, samples: np.ndarray) -> Embeddings:
        cells = max(1, len(samples) // EMBEDDING_HOP)
        frames = torch.from_numpy(np.pad(samples, (0, EMBEDDING_HOP))[: (cells + 1) * EMBEDDING_HOP - 256])
        bands = self.front_end(frames[None])[0].numpy()[:, : cells * 4]
        vectors = bands.reshape(len(bands), cells, -1).mean(axis=2).T + 1e-6
        return Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.ones(cells, bool), MUTE)


class Constant(Embedder):
    """The same vector for everything."""

    def __init__(self) -> None:
        pass

    def embed(self, samples: np.ndarray) -> Embeddings:
        cells = max(1, len(samples) // EMBEDDING_HOP)
        return Embeddings(np.full((cells, 4), 0.5, np.float32), np.ones(cells, bool), MUTE)


def sweep(low_hz: float, high_hz: float, seconds: float = 30.0) -> np.ndarray:
    """A tone that rises all the time: every moment has its own pitch."""
    pitch_hz = np.geomspace(low_hz, high_hz, int(seconds * SAMPLE_RATE))
    return np.asarray(0.3 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE), np.float32)


SWEEPS = corpus(sweep(200, 800), sweep(900, 3_600))


def recall(embedder: Embedder, held_out: ValidationSet) -> dict[str, float]:
    return recall_at_one(embedder, held_out)


def test_an_encoder_that_hears_the_pitch_finds_every_moment() -> None:
    """Where every moment is different and the encoder tells them apart, recall is 1."""
    found = recall(Spectral(), ValidationSet(SWEEPS, noises(), clips=20, spoilings=CLEAN))
    assert found == {"clean": pytest.approx(1.0, abs=0.02)}


def test_noise_costs_recall() -> None:
    """The same at 0 and −20 dB finds less and less, and each condition has its name."""
    found = recall(Spectral(), ValidationSet(SWEEPS, noises(), clips=20, spoilings=noisy(0.0, -20.0)))
    assert list(found) == ["clean", "0 dB", "-20 dB"]
    assert found["clean"] > found["-20 dB"] and found["0 dB"] >= found["-20 dB"]


def test_an_encoder_that_hears_nothing_finds_nothing() -> None:
    """One vector for all: recall is what the first stored vector gets by chance."""
    assert recall(Constant(), ValidationSet(SWEEPS, noises(), clips=20, spoilings=CLEAN))["clean"] < 0.1


def test_the_right_moment_of_the_wrong_track_is_no_hit() -> None:
    """Of two identical tracks the nearest is always the first: half of the clips are missed."""
    twice = corpus(sweep(200, 3_600), sweep(200, 3_600))
    found = recall(Spectral(), ValidationSet(twice, noises(), clips=60, spoilings=CLEAN))["clean"]
    assert 0.3 < found < 0.7


def test_it_is_repeatable_and_clips_are_the_same_in_all_conditions() -> None:
    """The same set gives the same numbers; a condition without noise equals `clean`."""
    held_out = ValidationSet(SWEEPS, noises(), clips=10, spoilings=noisy(300.0))
    found = recall(Spectral(), held_out)
    assert found == recall(Spectral(), held_out)
    assert found["clean"] == found["300 dB"]
