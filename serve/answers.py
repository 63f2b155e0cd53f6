"""What the client comes back with: the JSON of `serve.schema`, typed, without importing what the service is made of."""

from typing import NotRequired, TypedDict


class TrackFields(TypedDict):
    track_id: int
    uri: str
    title: str | None
    artist: str | None
    album: str | None
    isrc: str | None


class TrackAnswer(TrackFields):
    duration_s: float | None


class TrackPage(TypedDict):
    tracks: list[TrackAnswer]
    next: int | None


class Duplicates(TypedDict):
    track_id: int
    duplicates: list[TrackAnswer]


class Pair(TypedDict):
    clip_s: float
    track_s: float
    similarity: float


class Match(TrackFields):
    offset_s: float
    score: float
    confidence: float
    speed: float
    pitch_semitones: float
    aligned_s: float
    same_recording: list[int]
    evidence: NotRequired[list[Pair]]


class Stretch(TypedDict):
    start_s: float
    end_s: float


class Query(TypedDict):
    duration_s: float
    used: NotRequired[Stretch]


class Identification(TypedDict):
    query: Query
    matches: list[Match]
    timings_ms: dict[str, float]


class Sound(TrackFields):
    start_s: float
    end_s: float
    track_start_s: float
    track_end_s: float
    confidence: float
    score: float
    speed: float
    pitch_semitones: float


class Segment(Sound):
    same_recording: list[int]
    alternatives: list[Sound]


class Info(TypedDict):
    version: str
    catalog: str
    generation: int | None
    collection: str | None
    encoder: str | None
    index: str | None
    tracks: int
    segments: int
    hours: float
    limits: dict[str, float]
