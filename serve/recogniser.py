"""Embeddings of a clip → the tracks of one generation that it is a recording of. Plain: no Ray, no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ingest.stores import Generation, SearchHits, StoredRows, Track
from serve.directory import Nameless
from serve.matching import Calibration, Catalogue, Listening, MatcherSettings, Query, Variants, identify
from serve.matching import Match as Alignment
from serve.matching.timeline import Segment, Sound, Timeline, TimelineSettings
from serve.stopwatch import Stopwatch
from serve.tuning import Tuning

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Embed = Callable[[npt.NDArray[np.int16]], Query]

ATTEMPTS = 2  # at a clip, where the catalogue changed meanwhile
STAGES = ("decode", "embed", "search", "match", "lookup")


class VectorSearch(Protocol):
    """What is asked of the vector store: `ingest.stores.Vectors` is one."""

    def search(self, collection: str, queries: Floats, k: int) -> SearchHits: ...

    def fetch(self, collection: str, keys: Keys) -> StoredRows: ...


class TrackDirectory(Protocol):
    """What is known of tracks: `serve.directory.Directory` is one."""

    def published(self, recording_ids: Sequence[int]) -> Mapping[int, int]: ...

    def named(self, recording_ids: Iterable[int]) -> Mapping[int, Track] | None: ...

    def changed(self) -> bool: ...


@dataclass(frozen=True)
class TrackMatch:
    """A track, how the clip lies in it, and the ids of other tracks that hold the same recording."""

    track: Track | Nameless
    alignment: Alignment
    same_recording: tuple[int, ...]


@dataclass(frozen=True)
class TrackSegment:
    """A segment of a long recording with its track, the ids of other tracks that hold the same, and what else it may
    be."""

    track: Track | Nameless
    segment: Segment
    same_recording: tuple[int, ...]
    alternatives: tuple[tuple[Track | Nameless, Sound], ...]


class Recogniser:
    """One generation of a catalogue, ready to answer; safe to share between threads.

    Every hit passes `published` before it counts, so that vectors written ahead of their publication, or deleted
    after it, neither answer nor weaken another answer's lead; what is answered is asked for by name, and so known to
    be published still.
    """

    def __init__(
        self,
        vectors: VectorSearch,
        tracks: TrackDirectory,
        generation: Generation,
        settings: MatcherSettings | None = None,
    ) -> None:
        self.generation = generation
        self.tuning = Tuning.from_dict(generation.tuning)
        self.settings = self.tuning.settings(settings or MatcherSettings())
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
        variants: Variants | None = None,
        watch: Stopwatch | None = None,
    ) -> list[TrackMatch]:
        """Best first; empty when the clip is of nothing in the catalogue. Raises what the stores raise.

        `min_confidence` stands in for the threshold, tuned or of the calibration. Where what is published may have
        changed since it was last looked at, it is looked at again, and the clip is matched once more if it has.
        """
        watch = watch or Stopwatch()
        for _ in range(ATTEMPTS):
            reach = self._reach(watch)
            before = watch.spent_s("search", "lookup", "embed")
            with watch.stage("match"):
                found = identify(
                    query,
                    reach.catalogue(),
                    calibration=self.calibration,
                    settings=self.settings,
                    variants=variants,
                    threshold=self.tuning.min_confidence if min_confidence is None else min_confidence,
                    limit=limit,
                )
            watch.deduct("match", watch.spent_s("search", "lookup", "embed") - before)
            told = reach.track_matches(found)
            if not (len(told) < len(found) or (not told and reach.met_unpublished)):
                break
            with watch.stage("lookup"):
                changed = self._tracks.changed()
            if not changed:
                break
        return told

    def threshold(self, clip_s: float) -> float:
        """The confidence from which on a clip of this length is answered."""
        tuned = self.tuning.min_confidence
        return self.calibration.threshold(clip_s) if tuned is None else tuned

    def following(self, watch: Stopwatch, min_confidence: float | None = None) -> TrackTimeline:
        """For one long recording."""
        return TrackTimeline(self, self._reach(watch), watch, min_confidence)

    def listening(self, min_confidence: float | None = None) -> TrackListening:
        """For one clip that is still growing."""
        return TrackListening(self, self._reach(Stopwatch()), min_confidence)

    def _reach(self, watch: Stopwatch) -> _Reach:
        return _Reach(self._vectors, self._tracks, self.generation.collection, watch)


class TrackListening:
    """A `Listening` that tells tracks. Raises what the stores raise; not to be shared between threads."""

    def __init__(self, recogniser: Recogniser, reach: _Reach, min_confidence: float | None = None) -> None:
        self._reach, self._threshold, self._least = reach, recogniser.threshold, min_confidence
        self._listening = Listening(reach.catalogue(), calibration=recogniser.calibration, settings=recogniser.settings)

    def hear(self, query: Query, limit: int = 5) -> tuple[list[TrackMatch], bool]:
        """Of the clip so far, from its first sample: the matches that are accepted, and whether to stop listening."""
        verdict = self._listening.hear(query)
        least = self._threshold(max(verdict.heard_s, 0.1)) if self._least is None else self._least
        accepted = [match for match in verdict.matches if match.confidence >= least][:limit]
        return self._reach.track_matches(accepted), verdict.enough


class TrackTimeline:
    """A `Timeline` that tells tracks. Raises what the stores raise; not to be shared between threads."""

    def __init__(
        self, recogniser: Recogniser, reach: _Reach, watch: Stopwatch, min_confidence: float | None = None
    ) -> None:
        self._reach, self._watch = reach, watch
        settings = TimelineSettings()
        if min_confidence is not None:
            settings = replace(settings, min_confidence=min_confidence)
        self._timeline = Timeline(
            reach.catalogue(),
            calibration=recogniser.calibration,
            matching=recogniser.settings,
            settings=settings,
        )

    def hear(self, heard: Query) -> list[TrackSegment]:
        """What comes next; the segments that are over."""
        return self._told(partial(self._timeline.hear, heard))

    def end(self) -> list[TrackSegment]:
        """The segments that are left."""
        return self._told(self._timeline.end)

    def _told(self, work: Callable[[], list[Segment]]) -> list[TrackSegment]:
        before = self._watch.spent_s("search", "lookup")
        with self._watch.stage("match"):
            found = work()
        self._watch.deduct("match", self._watch.spent_s("search", "lookup") - before)
        return self._reach.track_segments(found)


class _Reach:
    """The stores as one request sees them: what was looked up once is not asked again."""

    def __init__(self, vectors: VectorSearch, tracks: TrackDirectory, collection: str, watch: Stopwatch) -> None:
        self._vectors = vectors
        self._tracks = tracks
        self._collection = collection
        self._watch = watch
        self._known: dict[int, int | None] = {}

    def catalogue(self) -> Catalogue:
        return Catalogue(self.search, self.fetch, self.published)

    def search(self, queries: Floats, k: int) -> SearchHits:
        with self._watch.stage("search"):
            return self._vectors.search(self._collection, queries, k)

    def fetch(self, keys: Keys) -> StoredRows:
        with self._watch.stage("search"):
            return self._vectors.fetch(self._collection, keys)

    def published(self, recording_ids: Iterable[int]) -> Mapping[int, int]:
        asked = list(recording_ids)
        unknown = [number for number in asked if number not in self._known]
        if unknown:
            with self._watch.stage("lookup"):
                found = self._tracks.published(unknown)
            self._known.update({number: found.get(number) for number in unknown})
        return {number: track_id for number in asked if (track_id := self._known[number]) is not None}

    @property
    def met_unpublished(self) -> bool:
        """Whether a hit was of a recording that is not known to be published."""
        return None in self._known.values()

    def track_matches(self, alignments: Sequence[Alignment]) -> list[TrackMatch]:
        """Those whose recording is still published."""
        tracks = self._named(alignment.recording_id for alignment in alignments)
        return [
            TrackMatch(track, alignment, self._others(track, alignment.same_recording))
            for alignment in alignments
            if (track := tracks.get(alignment.recording_id))
        ]

    def track_segments(self, segments: Sequence[Segment]) -> list[TrackSegment]:
        """Those whose recording is still published, with such alternatives."""
        sounds = [sound for segment in segments for sound in (segment, *segment.alternatives)]
        tracks = self._named(sound.recording_id for sound in sounds)
        return [
            TrackSegment(
                track,
                segment,
                self._others(track, segment.same_recording),
                tuple(
                    (tracks[sound.recording_id], sound)
                    for sound in segment.alternatives
                    if sound.recording_id in tracks
                ),
            )
            for segment in segments
            if (track := tracks.get(segment.recording_id))
        ]

    def _named(self, recording_ids: Iterable[int]) -> Mapping[int, Track | Nameless]:
        published = self.published(recording_ids)
        with self._watch.stage("lookup"):
            found = self._tracks.named(published)
        return found if found is not None else {number: Nameless(track) for number, track in published.items()}

    def _others(self, track: Track | Nameless, recording_ids: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted(set(self.published(recording_ids).values()) - {track.track_id}))
