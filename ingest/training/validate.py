"""How well an encoder finds spoilt moments of music it never saw: the number the validation curve shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.embedder import Embedder
from ingest.fingerprint.grid import EMBEDDING_HOP, SAMPLE_RATE, STORED_STRIDE
from ingest.fingerprint.pcm import to_float
from ingest.training import augment
from ingest.training.corpus import Corpus, stretch


@dataclass(frozen=True)
class Spoiling:
    """What is done to the clips: noise at `snr_db` (None: no noise), played so many semitones higher and faster."""

    name: str
    snr_db: float | None = None
    semitones: float = 0.0


SPOILINGS = (Spoiling("clean"), Spoiling("0 dB", 0.0), Spoiling("-5 dB", -5.0), Spoiling("+3 semitones", None, 3.0))


@dataclass(frozen=True)
class ValidationSet:
    """Held-out tracks, noises they are mixed with, and how."""

    music: Corpus
    noises: Corpus
    clip_s: float = 3.0
    clips: int = 150
    spoilings: Sequence[Spoiling] = SPOILINGS
    seed: int = 7


def recall_at_one(embedder: Embedder, held_out: ValidationSet) -> dict[str, float]:
    """Share of single query vectors whose nearest stored vector is of the same track and moment (± one segment)."""
    index, owner, segment = _index(embedder, held_out.music)
    found: dict[str, float] = {}
    for spoiling in held_out.spoilings:
        rng = np.random.default_rng(held_out.seed)
        hits = [_hits(rng, embedder, held_out, index, owner, segment, spoiling) for _ in range(held_out.clips)]
        found[spoiling.name] = float(np.mean(np.concatenate(hits)))
    return found


def _index(embedder: Embedder, music: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stored = [embedder.embed(to_float(x)).vectors[::STORED_STRIDE] for x in music.samples]
    owner = np.concatenate([np.full(len(v), i) for i, v in enumerate(stored)])
    segment = np.concatenate([np.arange(len(v)) for v in stored])
    return np.concatenate(stored), owner, segment


def _hits(
    rng: np.random.Generator, embedder: Embedder, held_out: ValidationSet,
    index: np.ndarray, owner: np.ndarray, segment: np.ndarray, spoiling: Spoiling,
) -> np.ndarray:  # fmt: skip
    track = int(rng.integers(len(held_out.music.samples)))
    samples = held_out.music.samples[track]
    length = int(held_out.clip_s * SAMPLE_RATE)
    speed = 2 ** (spoiling.semitones / 12)
    start = int(rng.integers(0, max(1, len(samples) - round(length * speed))))
    clip = augment.resample(stretch(samples, start, round(length * speed)), length)
    noise = held_out.noises.samples[rng.integers(len(held_out.noises.samples))]
    noise = to_float(np.resize(noise[int(rng.integers(len(noise))) :], length))
    if spoiling.snr_db is not None:
        clip = augment.mixed(clip, noise, spoiling.snr_db)
    vectors = embedder.embed(clip).vectors
    best = np.argmax(vectors @ index.T, axis=1)
    centres = start / EMBEDDING_HOP + speed * (np.arange(len(vectors)) + 0.5) - 0.5
    expected = centres / STORED_STRIDE
    hits: np.ndarray = (owner[best] == track) & (np.abs(segment[best] - expected) <= 1.0)
    return hits
