"""Small stand-ins that behave like the real parts, for tests and for trying things out: no model, no server."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fingerprint import (
    EMBEDDING_HOP,
    EMBEDDING_HOP_S,
    SAMPLE_RATE,
    SEGMENT_BITS,
    STORED_STRIDE,
    Embeddings,
    Salience,
    vector_key,
)
from ingest.fingerprint.peaks import MARGIN_FRAMES
from ingest.stores import (
    CatalogCounts,
    CatalogLocked,
    Generation,
    NotLoaded,
    Publication,
    PublishedChanges,
    SearchHits,
    StoredRows,
    Track,
    VectorStoreError,
)
from serve.matching import Calibration, LengthModel

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Pcm = npt.NDArray[np.int16]

CROP = 8 * EMBEDDING_HOP  # samples, about one second
BANDS = 60
FRAMES_A_CELL = 8  # of a salience without a peak
# Two melodies are more alike here than they are to a network.
SPECTRAL_CALIBRATION = Calibration(
    (LengthModel(5.0, {"contrast": 8.0, "lead": 12.0, "evidence": 2.0, "log_pairs": -0.5}, -9.0),)
)
SILENT = 30.0  # of 32768, root mean square


class SpectralEmbedder:
    """Embeds without a network: the contrast of band energies around each position.

    The bands rise in semitones from 110 Hz; what is common to the bands of a position is taken off. Nothing is salient.
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
        levels = np.zeros((len(vectors) * FRAMES_A_CELL + 2 * MARGIN_FRAMES, BANDS), np.int8)
        audible = np.sqrt(np.mean(np.square(crops), axis=1)) > SILENT
        return Embeddings(vectors, audible, Salience(levels, EMBEDDING_HOP_S / FRAMES_A_CELL, 1.0))


@dataclass
class MemoryVectors:
    """Exhaustive search over arrays; `away` makes every call fail as a lost server does."""

    collections: dict[str, StoredRows] = field(default_factory=dict)
    away: bool = False
    loaded: list[str] = field(default_factory=list)
    asked: int = 0  # how often
    unloaded: set[str] = field(default_factory=set)  # collections that somebody released

    def add(self, collection: str, recording_id: int, embeddings: Embeddings) -> None:
        """Store every STORED_STRIDE-th audible embedding of a recording, and the peaks, as a job does."""
        stored = embeddings.stored()
        keys = np.array([vector_key(recording_id, int(segment)) for segment in stored.segments], np.int64)
        old = self.collections.get(collection, StoredRows(keys[:0], stored.vectors[:0], stored.peaks[:0]))
        self.collections[collection] = StoredRows(
            np.append(old.keys, keys),
            np.concatenate([old.vectors, stored.vectors]),
            np.concatenate([old.peaks, stored.peaks]),
        )

    def with_search_params(self, params: Mapping[str, Any]) -> "MemoryVectors":
        """Exhaustive search has none; `absurd` fails as one that an index does not know."""
        if "absurd" in params:
            raise VectorStoreError("the vectors in memory: absurd")
        return self

    def search(self, collection: str, queries: Floats, k: int) -> SearchHits:
        stored = self._stored(collection)
        scores = queries @ stored.vectors.T
        best = np.argsort(-scores, axis=1)[:, :k]
        missing = ((0, 0), (0, max(0, k - best.shape[1])))
        return SearchHits(
            np.pad(stored.keys[best], missing, constant_values=-1),
            np.pad(np.take_along_axis(scores, best, axis=1), missing, constant_values=-1.0),
        )

    def fetch(self, collection: str, keys: Keys) -> StoredRows:
        stored = self._stored(collection)
        rows = np.flatnonzero(np.isin(stored.keys, keys))
        rows = rows[np.argsort(stored.keys[rows])]
        return StoredRows(stored.keys[rows], stored.vectors[rows], stored.peaks[rows])

    def exists(self, collection: str) -> bool:
        self._check()
        return collection in self.collections

    def delete_recordings(self, collection: str, recording_ids: Iterable[int]) -> None:
        stored = self._stored(collection)
        keep = ~np.isin(stored.keys >> SEGMENT_BITS, list(recording_ids))
        self.collections[collection] = StoredRows(stored.keys[keep], stored.vectors[keep], stored.peaks[keep])

    def load(self, collection: str) -> None:
        self._check()
        self.unloaded.discard(collection)
        self._stored(collection)
        self.loaded.append(collection)

    def released(self, collection: str, timeout_s: float | None = None) -> bool:
        self._check()
        return collection in self.unloaded

    def count(self, collection: str, *, strong: bool = True) -> int:
        return len(self._stored(collection).keys)

    def server_version(self, timeout_s: float | None = None) -> str:
        self._check()
        return "memory"

    def close(self) -> None:
        pass

    def _stored(self, collection: str) -> StoredRows:
        self._check()
        if collection not in self.collections:
            raise VectorStoreError(f"there is no collection {collection!r}")
        if collection in self.unloaded:
            raise NotLoaded(f"{collection!r} is not loaded")
        return self.collections[collection]

    def _check(self) -> None:
        self.asked += 1
        if self.away:
            raise VectorStoreError("the vectors in memory are away")


@dataclass
class MemoryCatalog:
    """Tracks by recording id, and the pointer; `tracks` holds the published ones alone.

    `deleted` holds the ids of tombstones, `dropped` of those whose vectors are gone, `copies` of tracks of equal audio.
    """

    tracks: dict[int, Track] = field(default_factory=dict)
    active: Generation | None = None
    failure: Exception | None = None
    name: str = "default"
    deleted: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    copies: dict[int, list[int]] = field(default_factory=dict)
    writer: threading.Lock = field(default_factory=threading.Lock)
    told: dict[int, int] = field(default_factory=dict)
    number: int = 0
    lookups: int = 0
    runs: dict[str, tuple[str, str]] = field(default_factory=dict)  # action and state
    loads: dict[int, int] = field(default_factory=dict)  # segments by recording

    def add(self, recording_id: int, uri: str) -> None:
        """Publish a recording as the track of the same number."""
        self.tracks[recording_id] = Track(recording_id, recording_id, uri, uri, None, None, None, None)

    def activate(self, collection: str, encoder: str = "spectral", generation_id: int = 1) -> None:
        calibration = SPECTRAL_CALIBRATION.to_dict()
        self.active = Generation(generation_id, collection, encoder, BANDS, "FLAT", calibration, "active", 0.0)

    def active_generation(self) -> Generation | None:
        self._check()
        return self.active

    def publication(self) -> Publication:
        self._check()
        published = {track.track_id: recording for recording, track in self.tracks.items()}
        self.number += published != {track: recording for track, recording in self.told.items() if recording >= 0}
        self.told = dict.fromkeys(self.told, -1) | published
        return Publication(self.number, max(self.told, default=0))

    def published_since(self, number: int | None) -> PublishedChanges:
        told = np.array(list(self.told.items()), np.int64).reshape(-1, 2)
        return PublishedChanges(self.publication().number, told[:, 0], told[:, 1])

    def lookup(self, recording_ids: Iterable[int]) -> dict[int, Track]:
        self._check()
        self.lookups += 1
        return {number: self.tracks[number] for number in recording_ids if number in self.tracks}

    def track(self, track_id: int) -> Track | None:
        self._check()
        return next((track for track in self.tracks.values() if track.track_id == track_id), None)

    def find_tracks(self, text: str = "", *, limit: int, after: int = 0) -> list[Track]:
        self._check()
        words = text.lower().split()
        found = [track for track in self.tracks.values() if track.track_id > after and _holds(track, words)]
        return sorted(found, key=lambda track: track.track_id)[:limit]

    def duplicates(self, track_id: int) -> list[Track] | None:
        return [self.tracks[n] for n in self.copies.get(track_id, [])] if self.track(track_id) else None

    def known_tracks(self, track_ids: Sequence[int], *, deleted: bool = False) -> set[int]:
        self._check()
        return set(track_ids) & (self.deleted if deleted else {track.track_id for track in self.tracks.values()})

    @contextmanager
    def lock(self) -> Iterator[None]:
        if not self.writer.acquire(blocking=False):
            raise CatalogLocked("the catalogue in memory is locked by another job")
        try:
            yield
        finally:
            self.writer.release()

    def locked(self) -> bool:
        self._check()
        return self.writer.locked()

    def loaded_segments(self, generation_id: int) -> int:
        self._check()
        return sum(self.loads.values())

    def start_run(self, run_id: str, action: str) -> None:
        self.runs[run_id] = action, "running"

    def finish_run(self, run_id: str, state: str, counts: Mapping[str, Any]) -> None:
        self.runs[run_id] = self.runs[run_id][0], state

    def remove_tracks(self, track_ids: Sequence[int]) -> list[int]:
        for number in track_ids:
            self.tracks.pop(number, None)
        self.deleted |= set(track_ids)
        return list(track_ids)

    def generations(self) -> list[Generation]:
        return [self.active] if self.active else []

    def superseded(self, generation_id: int) -> list[int]:
        return sorted(self.deleted - self.dropped)

    def forget_loads(self, generation_id: int, recording_ids: Iterable[int]) -> None:
        gone = set(recording_ids)
        self.dropped |= gone
        self.loads = {number: segments for number, segments in self.loads.items() if number not in gone}

    def counts(self, encoder: str) -> CatalogCounts:
        self._check()
        number = len(self.tracks)
        return CatalogCounts(number, 0, number, number, 0, 0, number * STORED_STRIDE, 0.0)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


def _holds(track: Track, words: Sequence[str]) -> bool:
    told = " ".join(filter(None, (track.title, track.artist, track.isrc, track.uri))).lower()
    return all(word in told for word in words)
