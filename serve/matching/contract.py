"""What the matcher asks for and what it answers.

Letters of every array docstring in this package: N embeddings of the clip, D dimensions, Q embeddings
searched, k hits of each, V hits in all, J speeds voted on, C lines, H hypotheses about a line, M stored
segments of a line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ingest.fingerprint.peaks import Salience
from serve.matching.calibration import Features

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Peaks = npt.NDArray[np.uint16]


class Query(Protocol):
    """A clip, embedded: `ingest.fingerprint.Embeddings` is one."""

    @property
    def vectors(self) -> Floats:
        """[N, D], unit length; vector n is centred on (n + 0.5) · 0.128 s of the clip."""

    @property
    def audible(self) -> Bools:
        """[N]; False where the clip is silent."""

    @property
    def salience(self) -> Salience:
        """How far every moment and band of the clip rises above its neighbourhood."""


class Hits(Protocol):
    """The nearest stored embeddings of a batch of queries: `ingest.stores.SearchHits` is one."""

    @property
    def keys(self) -> Ints:
        """[Q, k], recording_id << 20 | segment; −1 where there were fewer than k."""

    @property
    def scores(self) -> Floats:
        """[Q, k], cosine similarities."""


class Rows(Protocol):
    """Stored segments, in any order: `ingest.stores.StoredRows` is one."""

    @property
    def keys(self) -> Ints:
        """[n]"""

    @property
    def vectors(self) -> Floats:
        """[n, D]"""

    @property
    def peaks(self) -> Peaks:
        """[n, PEAKS_A_SEGMENT], see `ingest.fingerprint.peaks`."""


@dataclass(frozen=True)
class Catalogue:
    """How the matcher reaches what is stored.

    search:    (queries [Q, D], k) -> the k nearest stored embeddings of each, in one batched search
    fetch:     keys [M] -> those that are stored, in any order
    published: recording ids -> recording id: track id, of those that may be answered with
    """

    search: Callable[[Floats, int], Hits]
    fetch: Callable[[Ints], Rows]
    published: Callable[[Sequence[int]], Mapping[int, int]]


Variants = Callable[[], Iterable[tuple[float, Query]]]
"""What embeds the retuned readings of one clip on demand, all at once: (ratio r, reading) of each.

It is called as soon as they may be wanted, and need not have them before they are read, if they ever are.

The variant of ratio r undoes a clip that was raised r times: it is the clip resampled from 8 kHz to r · 8 kHz
and read as 8 kHz again, so it lasts r times as long and sounds 12 · log2 r semitones lower.
"""


@dataclass(frozen=True)
class Pair:
    """A stored embedding that met an audible moment of the clip."""

    clip_s: float
    track_s: float
    similarity: float  # cosine


@dataclass(frozen=True)
class Match:
    """A recording that the clip may be of, and how they lie on each other.

    A moment of the clip at `t` seconds is the recording's `offset_s + speed · t`: 1.05 is a clip that plays 5 %
    faster than the recording, and a negative offset is a clip that begins before it.
    """

    recording_id: int
    offset_s: float
    speed: float
    pitch_semitones: float  # of the clip above the recording
    score: float  # mean cosine along the line
    confidence: float  # probability that this is the right answer
    aligned_s: float  # of the clip
    same_recording: tuple[int, ...]  # other recording ids with the same content there
    features: Features
    evidence: Callable[[], tuple[Pair, ...]] = field(compare=False, repr=False)  # what `score` is the mean of, in order


@dataclass(frozen=True)
class Ranking:
    """Every recording considered, best first, accepted or not, and what finding them took."""

    matches: tuple[Match, ...]
    searched: int  # embeddings sent to the vector store
    variants: int  # retuned readings embedded
