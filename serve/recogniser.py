"""Embeddings of a clip → the tracks of one generation that it is a recording of. Plain: no Ray, no HTTP."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ingest.stores import Generation, SearchHits, StoredRows, Track
from serve.matching import Calibration, Catalogue, MatcherSettings, Query, Variants, identify
from serve.matching import Match as Alignment
from serve.stopwatch import Stopwatch

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Embed = Callable[[npt.NDArray[np.int16]], Query]

STAGES = ("decode", "embed", "search", "match", "lookup")


class VectorSearch(Protocol):
    """What is asked of the vector store: `ingest.stores.Vectors` is one."""

    def search(self, collection: str, queries: Floats, k: int) -> SearchHits: ...

    def fetch(self, collection: str, keys: Keys) -> StoredRows: ...


class TrackLookup(Protocol):
    """What is asked of the metadata store: `ingest.stores.CatalogStore` is one."""

    def lookup(self, recording_ids: Iterable[int]) -> dict[int, Track]: ...


@dataclass(frozen=True)
class TrackMatch:
    """A track, how the clip lies in it, and the ids of other tracks that hold the same recording."""

    track: Track
    alignment: Alignment
    same_recording: tuple[int, ...]


class Recogniser:
    """One generation of a catalogue, ready to answer; safe to share between threads.

    Every hit passes `published` before it counts, so that vectors written ahead of their publication, or deleted
    after it, neither answer nor weaken another answer's lead.
    """

    def __init__(
        self,
        vectors: VectorSearch,
        tracks: TrackLookup,
        generation: Generation,
        settings: MatcherSettings | None = None,
    ) -> None:
        self.generation = generation
        self.settings = settings or MatcherSettings()
        self.calibration = (
            Calibration.from_dict(generation.calibration) if generation.calibration else Calibration.shipped()
        )
        self._vectors = vectors
        self._tracks = tracks

    def recognise(
        self,
        query: Query,
        *,
        limit: int = 5,
        min_confidence: float | None = None,
        variants: Variants = (),
        watch: Stopwatch | None = None,
    ) -> list[TrackMatch]:
        """Best first; empty when the clip is of nothing in the catalogue. Raises what the stores raise.

        `min_confidence` stands in for the calibration's threshold.
        """
        watch = watch or Stopwatch()
        reach = _Reach(self._vectors, self._tracks, self.generation.collection, watch)
        before = watch.spent_s("search", "lookup", "embed")
        with watch.stage("match"):
            found = identify(
                query,
                Catalogue(reach.search, reach.fetch, reach.published),
                calibration=self.calibration,
                settings=self.settings,
                variants=variants,
                threshold=min_confidence,
                limit=limit,
            )
        watch.deduct("match", watch.spent_s("search", "lookup", "embed") - before)
        return [reach.track_match(alignment) for alignment in found]


class _Reach:
    """The stores as one request sees them: what was looked up once is not asked again."""

    def __init__(self, vectors: VectorSearch, tracks: TrackLookup, collection: str, watch: Stopwatch) -> None:
        self._vectors = vectors
        self._tracks = tracks
        self._collection = collection
        self._watch = watch
        self._known: dict[int, Track | None] = {}

    def search(self, queries: Floats, k: int) -> SearchHits:
        with self._watch.stage("search"):
            return self._vectors.search(self._collection, queries, k)

    def fetch(self, keys: Keys) -> StoredRows:
        with self._watch.stage("search"):
            return self._vectors.fetch(self._collection, keys)

    def published(self, recording_ids: Sequence[int]) -> Mapping[int, int]:
        unknown = [number for number in recording_ids if number not in self._known]
        if unknown:
            with self._watch.stage("lookup"):
                found = self._tracks.lookup(unknown)
            self._known.update({number: found.get(number) for number in unknown})
        tracks = {number: self._known[number] for number in recording_ids}
        return {number: track.track_id for number, track in tracks.items() if track}

    def track_match(self, alignment: Alignment) -> TrackMatch:
        others = self.published(alignment.same_recording).values()
        self.published([alignment.recording_id])
        track = self._known[alignment.recording_id]
        assert track is not None, "the matcher answers only with what is published"
        return TrackMatch(track, alignment, tuple(sorted(set(others) - {track.track_id})))
