"""Hard negatives: for every passage of the corpus, others that an encoder takes for it although they are not the same.

What a matcher mistakes a passage for is elsewhere in the same piece, where a phrase returns with another voice, or in
a piece much like it; drawn at random, such pairs hardly ever meet in one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator

from ingest.fingerprint.embedder import Embedder
from ingest.fingerprint.grid import EMBEDDING_HOP, STORED_STRIDE
from ingest.fingerprint.pcm import to_float
from ingest.training.corpus import Corpus, stretch

PASSAGE_CELLS = 16  # a passage of the corpus is looked up every 2 s
OWN, OTHERS = 4, 4  # echoes kept of a passage: in its own recording, and in others
APART_CELLS = 16  # echoes in the same recording are at least 2 s away …
PEAK_CELLS = 8  # … and 1 s from each other
LEAST_LIKENESS = 0.4  # cosine
IDENTICAL = 0.95  # correlation of two waveforms that are one: a loop, or the same recording twice
SHIFT = EMBEDDING_HOP // 2  # samples: how far off the grid a repeat may be
HEARD = 8 * EMBEDDING_HOP  # samples of a passage that are compared
PASSAGES_AT_ONCE = 256


@dataclass(frozen=True)
class Echoes:
    """Row k of `recordings` and `cells` int32 [P, OWN + OTHERS] are the echoes of passage k, -1 where there are fewer.

    `first` int64 [recordings] is the passage that each recording begins with; passage `first + i` is its cell
    `i · PASSAGE_CELLS`.
    """

    first: np.ndarray
    recordings: np.ndarray
    cells: np.ndarray

    def draw(self, rng: Generator, recording: int, sample: int) -> tuple[int, int] | None:
        """(recording, sample) of what is like the passage around `sample`; None: nothing is."""
        end = self.first[recording + 1] if recording + 1 < len(self.first) else len(self.cells)
        passage = self.first[recording] + round(sample / EMBEDDING_HOP / PASSAGE_CELLS)
        passage = int(min(passage, end - 1))
        known = np.flatnonzero(self.cells[passage] >= 0)
        if not len(known):
            return None
        chosen = rng.choice(known)
        cell = (passage - self.first[recording]) * PASSAGE_CELLS
        moved = int(self.cells[passage, chosen] - cell) * EMBEDDING_HOP
        return int(self.recordings[passage, chosen]), sample + moved

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        unfinished = path.with_suffix(".tmp.npz")
        np.savez(unfinished, **vars(self))
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> Echoes:
        with np.load(path) as archive:
            return cls(*(archive[field.name] for field in fields(cls)))

    def share(self) -> float:
        """Of the passages, those that have an echo."""
        return float((self.cells >= 0).any(axis=1).mean())


def find_echoes(embedder: Embedder, music: Corpus) -> Echoes:
    """Those of every passage in `music`: the likest to `embedder`, less the ones whose waveform is the same."""
    vectors = [embedder.embed(to_float(x)).vectors.astype(np.float32) for x in music.samples]
    passages = [v[::PASSAGE_CELLS] for v in vectors]
    own = [_in_recording(v) for v in vectors]
    other = list(_in_others(vectors, passages))
    recordings = [
        np.concatenate([np.full(mine.shape, i), owner], axis=1)
        for i, (mine, (owner, _)) in enumerate(zip(own, other, strict=True))
    ]
    cells = [np.concatenate([mine, theirs], axis=1) for mine, (_, theirs) in zip(own, other, strict=True)]
    for i in range(len(music.samples)):
        _drop_identical(music, i, recordings[i], cells[i])
    first = np.cumsum([0, *(len(p) for p in passages)])[:-1]
    return Echoes(first, np.concatenate(recordings).astype(np.int32), np.concatenate(cells).astype(np.int32))


def _in_recording(vectors: np.ndarray) -> np.ndarray:
    """int64 [P, OWN]: the cells of a recording that are most like each of its passages."""
    found = np.full((len(range(0, len(vectors), PASSAGE_CELLS)), OWN), -1)
    numbers = np.arange(len(vectors))
    for begin in range(0, len(found), PASSAGES_AT_ONCE):
        rows = np.arange(begin, min(begin + PASSAGES_AT_ONCE, len(found)))
        at = rows * PASSAGE_CELLS
        likeness = vectors[at] @ vectors.T
        likeness[np.abs(numbers - at[:, None]) < APART_CELLS] = -1
        for k in range(OWN):
            best = likeness.argmax(axis=1)
            found[rows, k] = np.where(likeness[np.arange(len(rows)), best] >= LEAST_LIKENESS, best, -1)
            likeness[np.abs(numbers - best[:, None]) < PEAK_CELLS] = -1
    return found


def _in_others(vectors: list[np.ndarray], passages: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each recording the recordings and cells, int64 [P, OTHERS], of what is most like its passages elsewhere."""
    stored = torch.from_numpy(np.concatenate([v[::STORED_STRIDE] for v in vectors]))
    lengths = [len(range(0, len(v), STORED_STRIDE)) for v in vectors]
    owner = np.repeat(np.arange(len(vectors)), lengths)
    cell = np.concatenate([np.arange(n) * STORED_STRIDE for n in lengths])
    ends = np.cumsum(lengths)
    for i, rows in enumerate(passages):
        owners, cells = np.full((len(rows), OTHERS), -1), np.full((len(rows), OTHERS), -1)
        for begin in range(0, len(rows), PASSAGES_AT_ONCE):
            likeness = torch.from_numpy(rows[begin : begin + PASSAGES_AT_ONCE]) @ stored.T
            likeness[:, ends[i] - lengths[i] : ends[i]] = -1
            best = likeness.topk(min(OTHERS, likeness.shape[1]))
            at, like = best.indices.numpy(), best.values.numpy() >= LEAST_LIKENESS
            owners[begin : begin + len(at), : at.shape[1]] = np.where(like, owner[at], -1)
            cells[begin : begin + len(at), : at.shape[1]] = np.where(like, cell[at], -1)
        yield owners, cells


def _drop_identical(music: Corpus, recording: int, owners: np.ndarray, cells: np.ndarray) -> None:
    """Forget, in place, the echoes of a recording whose waveform is that of the passage."""
    for passage in range(len(cells)):
        known = np.flatnonzero(cells[passage] >= 0)
        if len(known):
            heard = _around(music.samples[recording], passage * PASSAGE_CELLS, HEARD)
            found = np.stack(
                [_around(music.samples[owners[passage, k]], cells[passage, k], HEARD + 2 * SHIFT) for k in known]
            )
            cells[passage, known[correlation(heard, found) > IDENTICAL]] = -1


def correlation(heard: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float64 [K] in 0 … 1: of a waveform [T] with each of `found` [K, T + 2 · SHIFT], at the best shift."""
    size = found.shape[1]
    spectra = np.fft.rfft(found, size) * np.conj(np.fft.rfft(heard, size))
    shifts = size - len(heard) + 1
    products = np.fft.irfft(spectra, size)[:, :shifts]
    energy = np.cumsum(np.pad(found.astype(np.float64) ** 2, ((0, 0), (1, 0))), axis=1)
    energies = (energy[:, len(heard) :] - energy[:, :shifts]) * (heard.astype(np.float64) ** 2).sum()
    best: np.ndarray = (products / np.sqrt(np.maximum(energies, 1e-12))).max(axis=1)
    return best


def _around(samples: np.ndarray, cell: int, length: int) -> np.ndarray:
    middle = cell * EMBEDDING_HOP + EMBEDDING_HOP // 2
    return stretch(samples, middle - length // 2, length)
