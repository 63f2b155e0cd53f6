"""What the client comes back with: the JSON of `serve.schema`, typed, without importing what the service is made of."""

from typing import NotRequired, TypedDict


class TrackFields(TypedDict):
    track_id: int
    uri: str | None  # null, as all names, in a degraded answer
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
    degraded: NotRequired[bool]  # the metadata store is away
    timings_ms: dict[str, float]


class Salience(TypedDict):
    levels: str
    bands: int
    semitone_bands: float


class Vectors(TypedDict):
    encoder: str
    vectors: str | list[list[float]]
    audible: NotRequired[list[bool]]
    start_s: NotRequired[float]
    salience: NotRequired[Salience | None]


class Embedded(Vectors):
    query: Query
    dimension: int
    hop_s: float
    encoding: str
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


class Answering(TypedDict):
    min_confidence: float | None
    hits: int
    max_searched: int
    search_params: dict[str, float]
    tuned: list[str]


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
    answering: Answering | None
    limits: dict[str, float]
