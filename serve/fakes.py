"""Small stand-ins that behave like the real parts, for tests and for trying things out: no model, no server."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ingest.fingerprint import EMBEDDING_HOP, SAMPLE_RATE, STORED_STRIDE, Embeddings, vector_key
from ingest.stores import CatalogCounts, Generation, SearchHits, Track, VectorStoreError
from serve.matching import Calibration

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Pcm = npt.NDArray[np.int16]

CROP = 8 * EMBEDDING_HOP  # samples, about one second
BANDS = 60
# Two melodies are more alike here than they are to a network.
SPECTRAL_CALIBRATION = Calibration({"contrast": 8.0, "lead": 12.0, "evidence": 2.0, "log_pairs": -0.5}, -9.0, 0.5)
SILENT = 30.0  # of 32768, root mean square


class SpectralEmbedder:
    """Embeds without a network: the contrast of band energies around each position.

    The bands rise in semitones from 110 Hz; what is common to the bands of a position is taken off.
    """

    before = (CROP - EMBEDDING_HOP) // 2
    after = CROP - EMBEDDING_HOP - before

    def __init__(self, checksum: str = "spectral") -> None:
        self.checksum = checksum
        edges = 110.0 * 2 ** (np.arange(BANDS + 1) / 12)
        frequencies = np.fft.rfftfreq(CROP, 1 / SAMPLE_RATE)
        self._bands = np.searchsorted(frequencies, edges)
        self._window = np.hanning(CROP)

    def embed_windows(self, windows: Sequence[Pcm]) -> list[Embeddings]:
        return [self._embed(window.astype(np.float64)) for window in windows]

    def embed(self, samples: Pcm) -> Embeddings:
        """A whole clip, between silence."""
        return self.embed_windows([np.pad(samples, (self.before, self.after))])[0]

    def _embed(self, samples: npt.NDArray[np.float64]) -> Embeddings:
        crops = np.lib.stride_tricks.sliding_window_view(samples, CROP)[::EMBEDDING_HOP]
        spectra = np.abs(np.fft.rfft(crops * self._window, axis=1))
        energies = np.log1p(np.add.reduceat(spectra, self._bands[:-1], axis=1))
        contrast = energies - energies.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(contrast, axis=1, keepdims=True)
        vectors = (contrast / np.maximum(norms, 1e-9)).astype(np.float32)
        return Embeddings(vectors, np.sqrt(np.mean(np.square(crops), axis=1)) > SILENT)


@dataclass
class MemoryVectors:
    """Exhaustive search over arrays; `away` makes every call fail as a lost server does."""

    collections: dict[str, tuple[Keys, Floats]] = field(default_factory=dict)
    away: bool = False
    loaded: list[str] = field(default_factory=list)

    def add(self, collection: str, recording_id: int, embeddings: Embeddings) -> None:
        """Store every STORED_STRIDE-th audible embedding of a recording, as a job does."""
        segments, vectors = embeddings.stored()
        keys = np.array([vector_key(recording_id, int(segment)) for segment in segments], np.int64)
        old_keys, old_vectors = self.collections.get(collection, (keys[:0], vectors[:0]))
        self.collections[collection] = (np.append(old_keys, keys), np.concatenate([old_vectors, vectors]))

    def search(self, collection: str, queries: Floats, k: int) -> SearchHits:
        keys, vectors = self._stored(collection)
        scores = queries @ vectors.T
        best = np.argsort(-scores, axis=1)[:, :k]
        missing = ((0, 0), (0, max(0, k - best.shape[1])))
        return SearchHits(
            np.pad(keys[best], missing, constant_values=-1),
            np.pad(np.take_along_axis(scores, best, axis=1), missing, constant_values=-1.0),
        )

    def fetch(self, collection: str, keys: Keys) -> tuple[Keys, Floats]:
        stored, vectors = self._stored(collection)
        present = np.isin(stored, keys)
        return stored[present], vectors[present]

    def load(self, collection: str) -> None:
        self._stored(collection)
        self.loaded.append(collection)

    def server_version(self) -> str:
        self._check()
        return "memory"

    def close(self) -> None:
        pass

    def _stored(self, collection: str) -> tuple[Keys, Floats]:
        self._check()
        if collection not in self.collections:
            raise VectorStoreError(f"there is no collection {collection!r}")
        return self.collections[collection]

    def _check(self) -> None:
        if self.away:
            raise VectorStoreError("the vectors in memory are away")


@dataclass
class MemoryCatalog:
    """Tracks by recording id, and the pointer; `tracks` holds the published ones alone."""

    tracks: dict[int, Track] = field(default_factory=dict)
    active: Generation | None = None
    failure: Exception | None = None

    def add(self, recording_id: int, uri: str) -> None:
        """Publish a recording as the track of the same number."""
        self.tracks[recording_id] = Track(recording_id, recording_id, uri, uri, None, None, None, None)

    def activate(self, collection: str, encoder: str = "spectral", generation_id: int = 1) -> None:
        calibration = SPECTRAL_CALIBRATION.to_dict()
        self.active = Generation(generation_id, collection, encoder, BANDS, "FLAT", calibration, "active", 0.0)

    def active_generation(self) -> Generation | None:
        self._check()
        return self.active

    def lookup(self, recording_ids: Iterable[int]) -> dict[int, Track]:
        self._check()
        return {number: self.tracks[number] for number in recording_ids if number in self.tracks}

    def track(self, track_id: int) -> Track | None:
        self._check()
        return next((track for track in self.tracks.values() if track.track_id == track_id), None)

    def counts(self, encoder: str) -> CatalogCounts:
        self._check()
        number = len(self.tracks)
        return CatalogCounts(number, 0, number, number, 0, 0, number * STORED_STRIDE, 0.0)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
