"""A world without audio: recordings are smooth walks on the unit sphere, clips are noisy readings of them.

A moment's embedding is the mean of about a second of white noise around it, as an encoder's is of a second of music:
neighbours 0.128 s apart agree at 0.95, 0.512 s apart at 0.45, a second apart not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_BITS, SEGMENT_HOP_S
from ingest.fingerprint.peaks import MARGIN_FRAMES, NO_PEAK, PEAKS_A_SEGMENT, Salience
from serve import matching
from serve.matching import Calibration, Catalogue, LengthModel

STEP_S = 0.016  # between the moments at which a walk is drawn
CONTEXT = 93  # of those moments in an embedding
DIM = 48

WORLD = Calibration(
    (
        LengthModel(
            10.0,
            {
                "score": 13.81,
                "contrast": 12.69,
                "lead": 19.55,
                "evidence": 2.632,
                "log_pairs": 1.079,
                "coverage": 6.894,
            },
            bias=-24.77,
        ),
    )
)
identify, rank = partial(matching.identify, calibration=WORLD), partial(matching.rank, calibration=WORLD)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def unit(vectors: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Song:
    """A walk, drawn every STEP_S from time 0."""

    walk: Floats
    duration_s: float

    @classmethod
    def draw(cls, seed: int, duration_s: float) -> "Song":
        steps = round(duration_s / STEP_S) + 1
        noise = np.random.default_rng(seed).standard_normal((steps + CONTEXT - 1, DIM))
        window = np.hanning(CONTEXT + 2)[1:-1]
        walk = np.stack([np.convolve(column, window, "valid") for column in noise.T], axis=1)
        return cls(unit(walk), duration_s)

    def at(self, times_s: npt.NDArray[np.floating]) -> Floats:
        """Embeddings of these moments, which lie within the song."""
        place = np.asarray(times_s) / STEP_S
        left = np.clip(np.floor(place).astype(int), 0, len(self.walk) - 2)
        share = (place - left)[:, None]
        return unit(self.walk[left] * (1 - share) + self.walk[left + 1] * share)

    def stored(self) -> Floats:
        """Embeddings of every segment."""
        return self.at(segment_times_s(int((self.duration_s - EMBEDDING_HOP_S) / SEGMENT_HOP_S) + 1))

    def looped(self, start_s: float, length_s: float, times: int) -> "Song":
        """The passage repeated `times` over, and nothing else."""
        first, last = round(start_s / STEP_S), round((start_s + length_s) / STEP_S)
        return Song(np.tile(self.walk[first:last], (times, 1)), length_s * times)

    def cut(self, start_s: float) -> "Song":
        """The song without its first seconds."""
        return Song(self.walk[round(start_s / STEP_S) :], self.duration_s - start_s)


def segment_times_s(count: int) -> npt.NDArray[np.float64]:
    return np.arange(count) * SEGMENT_HOP_S + EMBEDDING_HOP_S / 2


FRAME_S, SEMITONE_BANDS, BANDS = 0.032, 2.0, 96


@dataclass(frozen=True)
class Clip:
    """A query: vectors [N, D] and audible [N]; without `levels` there is nothing to hear of any peak."""

    vectors: Floats
    audible: npt.NDArray[np.bool_]
    levels: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))

    @property
    def salience(self) -> Salience:
        frames = len(self.vectors) * round(EMBEDDING_HOP_S / FRAME_S) + 2 * MARGIN_FRAMES
        levels = self.levels if len(self.levels) else np.zeros((frames, BANDS), np.int8)
        return Salience(levels, FRAME_S, SEMITONE_BANDS)

    def silent(self, first: int, last: int) -> "Clip":
        """Nothing to be heard, and nonsense in the vectors, from embedding first to before last."""
        vectors, audible = self.vectors.copy(), self.audible.copy()
        vectors[first:last] = vectors[first:last][:, ::-1]
        audible[first:last] = False
        return replace(self, vectors=vectors, audible=audible)


def clip(
    song: Song, offset_s: float, length_s: float, *, speed: float = 1.0, cosine: float = 1.0, seed: int = 0
) -> Clip:
    """What is heard of the song from offset_s on: its embeddings at this cosine to the clean ones.

    Outside the song another one is heard. The noise changes as slowly as the music.
    """
    times_s = (np.arange(round(length_s / EMBEDDING_HOP_S)) + 0.5) * EMBEDDING_HOP_S
    track_s = offset_s + speed * times_s
    noise = Song.draw(90_000 + seed, length_s + 1).at(times_s)
    inside = (track_s >= 0) & (track_s <= song.duration_s)
    clean = np.where(inside[:, None], song.at(track_s), Song.draw(80_000 + seed, length_s + 1).at(times_s))
    noise = unit(noise - (noise * clean).sum(axis=1, keepdims=True) * clean)
    vectors = unit(cosine * clean + np.sqrt(1 - cosine**2) * noise)
    return Clip(vectors, np.ones(len(vectors), np.bool_))


@dataclass(frozen=True)
class Found:
    keys: Ints
    scores: Floats


@dataclass(frozen=True)
class Stored:
    keys: Ints
    vectors: Floats
    peaks: npt.NDArray[np.uint16]

    def of(self, rows: Ints) -> "Stored":
        """Those rows, in that order."""
        return Stored(self.keys[rows], self.vectors[rows], self.peaks[rows])


class Shelf:
    """A vector store in memory: exact search, and a record of what it was asked for."""

    def __init__(
        self,
        songs: Mapping[int, Song],
        *,
        hidden: Sequence[int] = (),
        silent: Mapping[int, Sequence[int]] | None = None,
        peaks: Mapping[int, npt.NDArray[np.uint16]] | None = None,
    ) -> None:
        """peaks: [n, PEAKS_A_SEGMENT] of all segments of some recordings; the others have none."""
        keys, vectors, stars = [], [], []
        for recording, song in songs.items():
            stored = song.stored()
            kept = np.setdiff1d(np.arange(len(stored)), (silent or {}).get(recording, []))
            keys.append((recording << SEGMENT_BITS) + kept)
            vectors.append(stored[kept])
            none = np.full((len(stored), PEAKS_A_SEGMENT), NO_PEAK, np.uint16)
            stars.append((peaks or {}).get(recording, none)[kept])
        self.keys = np.concatenate(keys) if keys else np.empty(0, np.int64)
        self.vectors = np.concatenate(vectors) if vectors else np.empty((0, DIM), np.float32)
        self.peaks = np.concatenate(stars) if stars else np.empty((0, PEAKS_A_SEGMENT), np.uint16)
        self.hidden = frozenset(hidden)
        self.track_ids: dict[int, int] = {}
        self.searched = 0
        self.fetched = 0

    def search(self, queries: Floats, k: int) -> Found:
        self.searched += len(queries)
        scores = queries @ self.vectors.T
        if scores.shape[1] < k:
            scores = np.pad(scores, ((0, 0), (0, k - scores.shape[1])), constant_values=-1.0)
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        padded = np.append(self.keys, np.full(k, -1))
        return Found(padded[nearest], np.take_along_axis(scores, nearest, axis=1).astype(np.float32))

    def fetch(self, keys: Ints) -> Stored:
        self.fetched += len(keys)
        present = np.isin(self.keys, keys)
        return Stored(self.keys[present], self.vectors[present], self.peaks[present])

    def published(self, recording_ids: Sequence[int]) -> dict[int, int]:
        return {number: self.track_ids.get(number, number) for number in recording_ids if number not in self.hidden}

    def catalogue(self) -> Catalogue:
        return Catalogue(self.search, self.fetch, self.published)
