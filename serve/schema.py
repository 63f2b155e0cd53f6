"""What goes over the wire. Times are seconds, `timings_ms` milliseconds."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ingest.stores import Track
from serve.directory import Nameless
from serve.examples import INFO, MATCH, SEGMENT, TIMINGS, TRACK

EVIDENCE_PAIRS = 256  # of one match that are told, at most

Degraded = Annotated[
    bool,
    Field(
        description="The metadata store is away: names are null but for those just asked for, and the catalogue's last "
        "changes may not be known. "
        "Absent where it is not.",
        exclude_if=lambda degraded: not degraded,
    ),
]
TrackId = Annotated[int, Field(ge=0, le=2**63 - 1, description="Stable id of a track of the catalogue.")]


class Stretch(BaseModel):
    """A part of the audio sent."""

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)


class Query(BaseModel):
    duration_s: float = Field(description="Length of the audio sent.", ge=0)
    used: Stretch | None = Field(
        default=None,
        description="What was matched, where that is less than what was sent; absent otherwise.",
        exclude_if=lambda used: used is None,
    )


class TrackFields(BaseModel):
    """What is known of a track."""

    track_id: TrackId
    uri: str | None = Field(
        description="As listed by the source or given in the manifest, unescaped; null, as all names, where an answer "
        "is degraded."
    )
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None


class Pair(BaseModel):
    """A moment of the clip that met one of the track."""

    clip_s: float
    track_s: float
    similarity: float = Field(description="Cosine of their embeddings.", ge=-1, le=1)


class Match(TrackFields):
    """One track of the catalogue that the clip is a recording of."""

    model_config = ConfigDict(json_schema_extra={"examples": [MATCH]})

    offset_s: float = Field(description="Where the clip's first sample lies in the track; may be negative.")
    score: float = Field(description="Mean cosine of the aligned embeddings.", ge=-1, le=1)
    confidence: float = Field(description="Calibrated probability that this is the recording.", ge=0, le=1)
    speed: float = Field(description="1.05: the clip plays 5 % faster than the track.", gt=0)
    pitch_semitones: float = Field(description="Above 0: the clip is higher than the track.")
    aligned_s: float = Field(description="Seconds of the clip that support the match.", ge=0)
    same_recording: list[TrackId] = Field(description="Other tracks that hold the very same recording.")
    evidence: list[Pair] | None = Field(
        default=None,
        description="What `score` is the mean of, in order, thinned out evenly where it is more than can be told; "
        "absent unless `evidence` was asked for.",
        max_length=EVIDENCE_PAIRS,
        exclude_if=lambda evidence: evidence is None,
    )


class Identification(BaseModel):
    """The answer to a clip: best match first; empty when nothing in the catalogue is that recording."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": {"duration_s": 10.0}, "matches": [MATCH], "timings_ms": TIMINGS},
                {"query": {"duration_s": 10.0}, "matches": [], "timings_ms": TIMINGS},
            ]
        }
    )

    query: Query
    matches: list[Match]
    degraded: Degraded = False
    timings_ms: dict[str, float] = Field(description="decode, embed, search, match, lookup and total.")


class Heard(BaseModel):
    """What is known of sound that is still coming."""

    heard_s: float = Field(description="Sound heard so far.", ge=0)
    matches: list[Match] = Field(description="Best first; empty while nothing is sure enough.")
    enough: bool = Field(description="Whether more would hardly change the answer.")
    degraded: Degraded = False


class Sound(TrackFields):
    """A stretch of a track, and where it is heard."""

    start_s: float = Field(description="Where it begins in the recording sent.", ge=0)
    end_s: float = Field(description="Where it ends there.", ge=0)
    track_start_s: float = Field(description="Where the track is at `start_s`.", ge=0)
    track_end_s: float = Field(description="Where the track is at `end_s`.", ge=0)
    confidence: float = Field(description="Probability that this is the recording.", ge=0, le=1)
    score: float = Field(description="Mean cosine of the aligned embeddings.", ge=-1, le=1)
    speed: float = Field(description="1.05: it plays 5 % faster than the track.", gt=0)
    pitch_semitones: float = Field(description="Above 0: it is higher than the track.")


class Segment(Sound):
    """What is heard from `start_s` to `end_s`."""

    model_config = ConfigDict(json_schema_extra={"examples": [SEGMENT]})

    same_recording: list[TrackId] = Field(description="Other tracks that hold the very same recording.")
    alternatives: list[Sound] = Field(description="Other recordings that it could be, the likeliest first.")


class TimelineProgress(BaseModel):
    """A line between streamed segments, for who asks for `progress`."""

    heard_s: float = Field(description="Of the recording, so far.", ge=0)
    share: float = Field(description="Of its bytes, so far: about that of its length.", ge=0, le=1)


class TimelineEnd(BaseModel):
    """The last line of segments that are streamed."""

    query: Query
    degraded: Degraded = False
    timings_ms: dict[str, float] = Field(description="decode, embed, search, match, lookup and total.")


class TimelineAnswer(TimelineEnd):
    """The answer to a long recording: what is heard in it, in order of `start_s`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"query": {"duration_s": 3600.0}, "segments": [SEGMENT], "timings_ms": TIMINGS}]
        }
    )

    segments: list[Segment]


def track_fields(track: Track | Nameless) -> dict[str, Any]:
    """Of a track as far as it is known."""
    return {name: getattr(track, name) for name in TrackFields.model_fields}


class TrackAnswer(TrackFields):
    """One track of the catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRACK | {"duration_s": 201.3}]})

    duration_s: float | None = None


class TrackPage(BaseModel):
    """Tracks of the catalogue, in the order of their ids."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tracks": [TRACK | {"duration_s": 201.3}], "next": 17}]})

    tracks: list[TrackAnswer]
    next: TrackId | None = Field(description="`after` of the next page; null when this was the last.")


class Duplicates(BaseModel):
    """The tracks whose decoded samples are the same as this one's, whatever their files are called."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"track_id": 204, "duplicates": [TRACK | {"duration_s": 201.3}]}]}
    )

    track_id: TrackId
    duplicates: list[TrackAnswer]


class Answering(BaseModel):
    """By what clips are answered: the configuration, or what `python -m serve.tune` says in its place."""

    min_confidence: float | None = Field(description="None: the calibration's threshold for the length of a clip.")
    hits: int = Field(description="Asked for each query embedding.")
    max_searched: int = Field(description="Query embeddings searched of one clip, at most.")
    search_params: dict[str, float] = Field(description="Of the index, beside the configured ones.")
    tuned: list[str] = Field(description="Those of them that the configuration does not say.")


class Info(BaseModel):
    """What is being served."""

    model_config = ConfigDict(json_schema_extra={"examples": [INFO]})

    version: str
    catalog: str
    generation: int | None = Field(description="None: nothing has been ingested yet; every answer is empty.")
    collection: str | None
    encoder: str | None = Field(description="Checksum of the encoder that made the collection.")
    index: str | None
    tracks: int = Field(description="Tracks that can answer.")
    segments: int = Field(description="Embeddings stored.")
    hours: float = Field(description="Audio ingested.")
    answering: Answering | None = Field(description="None without a generation.")
    limits: dict[str, float] = Field(description="Bounds on one request.")


class Health(BaseModel):
    """Whether queries are answered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "ok", "checks": {"metadata": "ok", "generation": "ok", "vectors": "ok"}}]
        }
    )

    status: str = Field(description="`ok`, `degraded` or `not ready`.")
    code: str | None = Field(
        default=None,
        description="Of the problem that queries are refused with now, or of what answers lack; absent where that is "
        "nothing: `metadata_store`, `vector_store`, `encoder`, `not_ready`.",
        exclude_if=lambda code: code is None,
    )
    checks: dict[str, str] = Field(default_factory=dict, description="What was looked at: `ok`, or what is wrong.")


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is stable."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:refrain:problem:too_short",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "code": "too_short",
                    "detail": "0.31 s of audio; at least 0.5 s are needed",
                    "request_id": "9d3c6f0e2f4b4f0c8f0a6f3a1f2b7c55",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
