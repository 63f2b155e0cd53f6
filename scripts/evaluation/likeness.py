"""Are simulated vectors as near to unknown clips as real ones? Their spread is tuned on it, and it is checked.

Of the tracks that a half's clips are not of, a quarter become parents, and as many vectors are simulated as the
held-out ones among the other three quarters have: what is said of new music is held against music that was no parent,
and that the encoder has not heard. For each of the clips' vectors the best cosine among the simulated and among the
real ones is compared. Parents are drawn several times, and everything is pooled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ingest.fingerprint import StoredSegments
from scripts.evaluation.distractors import SimulatedTracks, memory, nearest
from scripts.evaluation.statistics import ks_distance

SPREADS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
DRAWS = 4  # of parents, for each half
PARENTS = 4  # one track of so many is a parent
QUERIES = 1_000  # vectors of clips, of each half
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SEED = 11  # of the draws of parents


@dataclass(frozen=True)
class Half:
    """Vectors [Q, D] of clips of one half, what is stored of the tracks that they are not of, and which are held out.

    At least one is held out: the encoder has not heard it.
    """

    queries: np.ndarray
    others: Sequence[StoredSegments]
    held_out: Sequence[bool]

    def new(self) -> list[StoredSegments]:
        """The held-out ones."""
        return [stored for stored, new in zip(self.others, self.held_out, strict=True) if new]


@dataclass(frozen=True)
class Likeness:
    """Two distributions of one number, on real and on simulated vectors."""

    of: str
    real: Mapping[float, float]  # quantile: value
    simulated: Mapping[float, float]
    ks: float
    count: int  # numbers on either side
    vectors: int  # real ones, on average, and about as many simulated

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "real": dict(self.real), "simulated": dict(self.simulated)}


def likeness(of: str, real: Sequence[float], simulated: Sequence[float], vectors: float) -> Likeness:
    some, others = np.asarray(real, np.float64), np.asarray(simulated, np.float64)
    quantiles = [
        dict(zip(QUANTILES, np.quantile(numbers, QUANTILES).tolist(), strict=True)) for numbers in (some, others)
    ]
    return Likeness(of, quantiles[0], quantiles[1], ks_distance(some, others), len(some), round(vectors))


def tuned_spread(halves: Sequence[Half], seed: int) -> tuple[float, list[Likeness]]:
    """The spread that extrapolates best, and how well each of SPREADS does."""
    draws = list(_draws(halves, seed))
    found = [_extrapolated(spread, draws, seed) for spread in SPREADS]
    best = min(range(len(SPREADS)), key=lambda i: found[i].ks)
    return SPREADS[best], found


@dataclass(frozen=True)
class _Draw:
    queries: np.ndarray
    parents: Sequence[StoredSegments]
    size: int  # real vectors
    best: np.ndarray  # [Q], cosines with them


def _draws(halves: Sequence[Half], seed: int) -> Iterator[_Draw]:
    for half in halves:
        for number in range(DRAWS):
            order = np.random.default_rng([seed, SEED, number]).permutation(len(half.others))
            parents = order[: max(1, len(order) // PARENTS)]
            others = [i for i in order[len(parents) :] if half.held_out[i]] or [int(np.flatnonzero(half.held_out)[0])]
            real = np.concatenate([half.others[i].vectors for i in others])
            yield _Draw(half.queries, [half.others[i] for i in parents], len(real), (half.queries @ real.T).max(axis=1))


def _extrapolated(spread: float, draws: Sequence[_Draw], seed: int) -> Likeness:
    simulated = []
    for number, draw in enumerate(draws):
        tracks = SimulatedTracks(draw.parents, spread, [seed, SEED, number])
        simulated.append(nearest(draw.queries, tracks, [draw.size], 1)[draw.size].scores[:, 0])
    real = np.concatenate([draw.best for draw in draws])
    size = float(np.mean([draw.size for draw in draws]))
    told = f"best cosine, of tracks that are no parents, spread {spread:g}"
    return likeness(told, real.tolist(), np.concatenate(simulated).tolist(), size)


def same_size(halves: Sequence[Half], simulated: Sequence[SimulatedTracks]) -> Likeness:
    """The best cosine among all real held-out vectors, and as many of the simulated ones that are used."""
    real, others, sizes = [], [], []
    for half, tracks in zip(halves, simulated, strict=True):
        stored = np.concatenate([one.vectors for one in half.new()])
        real += (half.queries @ stored.T).max(axis=1).tolist()
        others += nearest(half.queries, tracks, [len(stored)], 1)[len(stored)].scores[:, 0].tolist()
        sizes.append(len(stored))
    return likeness("best cosine, as simulated for the index", real, others, float(np.mean(sizes)))


def coherence(halves: Sequence[Half], simulated: Sequence[SimulatedTracks]) -> dict[str, float]:
    """How alike neighbouring vectors are, above what any two are."""

    def centred(series: Sequence[np.ndarray]) -> list[np.ndarray]:
        mean = np.concatenate(series).mean(axis=0)
        return [one - mean for one in series]

    real = [one.vectors for half in halves for one in half.new()]
    made = [tracks.vectors(number) for tracks in simulated for number in range(50)]
    return {"real": memory(centred(real)), "simulated": memory(centred(made))}


def sampled(vectors: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """At most QUERIES of the vectors [n, D] of some clips."""
    everything = np.concatenate(vectors)
    chosen = np.random.default_rng([seed, SEED]).permutation(len(everything))[:QUERIES]
    return everything[chosen]
