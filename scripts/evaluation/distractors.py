"""Vectors of tracks that do not exist, made of those of tracks that do: what a catalogue of millions would hold.

A simulated track has two parents. Each one's series of vectors is turned round or not and shifted by a random time, so
that no line of it is left. With the mean m of all vectors taken off, the first is turned towards the second by an
angle of 20° to 45°, drawn for each track, which keeps mean, covariance and how alike neighbours are:

    m + spread · (cos a · first + sin a · second),  made unit length again.

What comes out lies a little farther from any clip than new music does, for a few parents have not the styles of all
the world. So the spread around the mean, the one parameter, is tuned: the smaller, the nearer a simulated vector is to
everything. `likeness.py` makes tracks of a quarter of the real ones and takes the spread at which clips have as near
neighbours among them as among the held-out tracks of the other three quarters.

Tried before and left (a third of 107 tracks for the rest; median of the best cosine, 0.75 with real tracks): copies
without any turn, 0.73, which a million more would not change; noise without direction beside the second parent, 0.70
at 45°, as it moves tracks away from all music; noise with the vectors' covariance, as good as a second parent.

Peaks are the first parent's, shuffled in time. Parents are never of the half of the collection that is asked about:
nothing simulated descends from a track that a clip is of. Everything is a function of the seed and the track's number,
so that millions of vectors are made as they are compared, some thousands at a time, and again when a candidate's are
fetched. Every single one is compared: in bf16 where the processor computes in it, and what is near again in fp32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import numpy as np
import torch

from ingest.fingerprint import SEGMENT_BITS, StoredSegments
from ingest.fingerprint.embedder import computes_bf16
from ingest.stores import SearchHits, StoredRows
from scripts.evaluation.flat import merged
from serve.recogniser import VectorSearch

FIRST_ID = 1 << 24  # of the simulated recordings; a real collection is smaller
CHUNK = 1 << 12  # simulated vectors compared at once
QUERIES = 1 << 11  # queries compared with them at once
ANGLES = (np.pi / 9, np.pi / 4)  # of a track, from its first parent towards its second


class SimulatedTracks:
    """Any number of tracks, by number from 0. `parents` are vectors [n, D] and peaks of real ones."""

    def __init__(self, parents: Sequence[StoredSegments], spread: float, seed: Sequence[int]) -> None:
        self.parents = parents
        self._mean = np.concatenate([parent.vectors for parent in parents]).mean(axis=0)
        self._spread = spread
        self._seed = [*seed]

    def vectors(self, number: int) -> np.ndarray:
        """float32 [n, D], unit length."""
        rng, first, second = self._drawn(number)
        angle = rng.uniform(*ANGLES)
        series = self._wandering(first, rng)
        others = np.resize(self._wandering(second, rng), series.shape)
        turned = self._mean + self._spread * (np.cos(angle) * series + np.sin(angle) * others)
        unit: np.ndarray = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
        return unit.astype(np.float32)

    def peaks(self, number: int) -> np.ndarray:
        """uint16 [n, PEAKS_A_SEGMENT]."""
        rng, first, _ = self._drawn(number)
        peaks: np.ndarray = self.parents[first].peaks
        return np.asarray(peaks[rng.permutation(len(peaks))])

    def _drawn(self, number: int) -> tuple[np.random.Generator, int, int]:
        """What makes the track, and its two parents: different ones where there are several."""
        rng = np.random.default_rng([*self._seed, number])
        first, step = int(rng.integers(len(self.parents))), int(rng.integers(max(1, len(self.parents) - 1)))
        return rng, first, (first + 1 + step) % len(self.parents)

    def _wandering(self, parent: int, rng: np.random.Generator) -> np.ndarray:
        vectors = self.parents[parent].vectors
        moved = np.roll(vectors, int(rng.integers(len(vectors))), axis=0)
        return np.asarray((moved[::-1] if rng.random() < 0.5 else moved) - self._mean)


def memory(centred: Sequence[np.ndarray]) -> float:
    """How alike neighbours are: correlation of successive vectors of series [n, D]."""
    pairs = [(one[1:], one[:-1]) for one in centred if len(one) > 1]
    both = sum(float(np.sum(later * earlier)) for later, earlier in pairs)
    alone = sum(float(np.sum(np.square(later)) + np.sum(np.square(earlier))) / 2 for later, earlier in pairs)
    return both / max(alone, 1e-9)


@dataclass(frozen=True)
class Nearest:
    """The k nearest of the first so many simulated vectors to each of Q queries: keys and scores [Q, k]."""

    keys: np.ndarray
    scores: np.ndarray


def nearest(
    queries: np.ndarray, simulated: SimulatedTracks, sizes: Sequence[int], k: int, device: str = "cpu"
) -> dict[int, Nearest]:
    """By size: of at least so many vectors (tracks are whole). Shape: queries [Q, D]."""
    best = _Best(queries, k, device)
    found = {}
    remaining = sorted(sizes)
    for keys, vectors, seen in _chunks(simulated, remaining):
        best.compare(keys, vectors)
        while remaining and seen >= remaining[0]:
            found[remaining.pop(0)] = best.so_far()
    return found


def _chunks(simulated: SimulatedTracks, sizes: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(keys, vectors, vectors so far); a chunk ends where a size is reached."""
    waiting = list(sizes)
    keys: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    held = seen = 0
    for number in count():
        if not waiting:
            return
        vectors.append(simulated.vectors(number))
        keys.append((FIRST_ID + number << SEGMENT_BITS) + np.arange(len(vectors[-1])))
        held += len(vectors[-1])
        if held >= CHUNK or seen + held >= waiting[0]:
            seen += held
            while waiting and seen >= waiting[0]:
                waiting.pop(0)
            yield np.concatenate(keys), np.concatenate(vectors), seen
            keys, vectors, held = [], [], 0


class _Best:
    """The k best of each query among all chunks compared so far."""

    def __init__(self, queries: np.ndarray, k: int, device: str) -> None:
        self._type = torch.bfloat16 if computes_bf16(device) else torch.float32
        self._exact = torch.from_numpy(queries).to(device)
        self._queries = self._exact.to(self._type)
        self._scores = torch.full((len(queries), k), -1.0, device=device)
        self._keys = torch.full((len(queries), k), -1, dtype=torch.int64, device=device)

    def compare(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        """keys [n], vectors [n, D]: only queries for which one of them is better than the k-th so far are sorted.

        What bf16 finds near is scored again in fp32.
        """
        device, k = self._scores.device, self._scores.shape[1]
        exact = torch.from_numpy(vectors).to(device)
        chunk = exact.to(self._type)
        names = torch.from_numpy(keys).to(device)
        for start in range(0, len(self._queries), QUERIES):
            part = slice(start, start + QUERIES)
            scores = self._queries[part] @ chunk.T
            least = self._scores[part, -1].to(self._type)
            better = torch.nonzero(scores.amax(dim=1) > least)[:, 0]
            if not len(better):
                continue
            scores, rows = scores[better], better + start
            most = int((scores > least[better, None]).sum(dim=1).max())
            places = scores.float().topk(min(k, most), dim=1).indices
            fresh = torch.einsum("qd,qkd->qk", self._exact[rows], exact[places])
            together = torch.cat([self._scores[rows], fresh], dim=1)
            self._scores[rows], order = together.topk(k, dim=1)
            self._keys[rows] = torch.cat([self._keys[rows], names[places]], dim=1).gather(1, order)

    def so_far(self) -> Nearest:
        return Nearest(self._keys.cpu().numpy().copy(), self._scores.cpu().numpy().copy())


class Crowded:
    """A store with simulated vectors beside its own; only queries whose nearest are known can be searched."""

    def __init__(
        self, base: VectorSearch, simulated: SimulatedTracks, places: Mapping[bytes, int], among: Nearest
    ) -> None:
        self._base = base
        self._places = places  # of a query [D], as bytes, among the rows of `among`
        self._among = among
        self._track = lru_cache(maxsize=512)(lambda number: (simulated.vectors(number), simulated.peaks(number)))

    def search(self, collection: str, queries: np.ndarray, k: int) -> SearchHits:
        own = self._base.search(collection, queries, k)
        rows = [self._places[query.tobytes()] for query in queries]
        keys, scores = merged((own.keys, own.scores), (self._among.keys[rows], self._among.scores[rows]), k)
        return SearchHits(keys, scores)

    def fetch(self, collection: str, keys: np.ndarray) -> StoredRows:
        simulated = keys >> SEGMENT_BITS >= FIRST_ID
        parts = [self._base.fetch(collection, keys[~simulated])] if (~simulated).any() else []
        recordings, segments = keys[simulated] >> SEGMENT_BITS, keys[simulated] & (1 << SEGMENT_BITS) - 1
        for recording in np.unique(recordings).tolist():
            vectors, peaks = self._track(recording - FIRST_ID)
            wanted = np.unique(segments[recordings == recording])
            wanted = wanted[wanted < len(vectors)]
            parts.append(StoredRows((recording << SEGMENT_BITS) + wanted, vectors[wanted], peaks[wanted]))
        parts = [part for part in parts if len(part.keys)] or parts[:1]
        return StoredRows(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.peaks for part in parts]),
        )
