"""A collection of music with its embeddings, and two folds of the sources that the encoder never heard."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest.fingerprint import Embedder
from ingest.fingerprint.pcm import to_float
from ingest.training.corpus import load_corpus


@dataclass(frozen=True)
class EvaluatedTrack:
    """samples: int16 [T]; segments int32 [n] and vectors float32 [n, D] are what the catalogue stores of it."""

    name: str
    source: str
    held_out: bool
    samples: np.ndarray
    segments: np.ndarray
    vectors: np.ndarray

    def waveform(self) -> np.ndarray:
        return to_float(self.samples)


@dataclass(frozen=True)
class Fold:
    """Indices of the tracks in the catalogue, and of those that it must not know."""

    indexed: tuple[int, ...]
    unknown: tuple[int, ...]


Treatment = Callable[[np.ndarray], np.ndarray]  # float32 [T] → [T], before embedding


def read_tracks(catalogue: Path, embedder: Embedder, cache: Path, treat: Treatment) -> list[EvaluatedTrack]:
    """All tracks of a CSV with the columns file, split and source; vectors are rounded as the lake rounds them."""
    with catalogue.open(newline="", encoding="utf-8") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["file"])
    corpus = load_corpus([catalogue.parent / row["file"] for row in rows], cache)
    found = []
    for row, samples in zip(rows, corpus.samples, strict=True):
        segments, vectors = embedder.embed(treat(to_float(samples))).stored()
        stored = vectors.astype(np.float16).astype(np.float32)
        found.append(EvaluatedTrack(row["file"], row["source"], row["split"] != "train", samples, segments, stored))
    return found


def folds_by_source(tracks: Sequence[EvaluatedTrack]) -> tuple[Fold, Fold]:
    """Held-out sources in two halves of about equal size: each is in the catalogue once and unknown once."""
    sizes = Counter(track.source for track in tracks if track.held_out)
    halves: tuple[set[str], set[str]] = (set(), set())
    for source, _ in sizes.most_common():
        min(halves, key=lambda half: sum(sizes[name] for name in half)).add(source)
    return _fold(tracks, unknown=halves[1]), _fold(tracks, unknown=halves[0])


def _fold(tracks: Sequence[EvaluatedTrack], unknown: set[str]) -> Fold:
    outside = {i for i, track in enumerate(tracks) if track.held_out and track.source in unknown}
    return Fold(tuple(i for i in range(len(tracks)) if i not in outside), tuple(sorted(outside)))
