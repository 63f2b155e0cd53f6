"""What was found → what goes over the wire."""

from typing import Any

from serve.clip import Clip
from serve.matching.timeline import Sound as Heard
from serve.recogniser import Recogniser, TrackMatch, TrackSegment
from serve.schema import Answering, Match, Query, Segment, Sound, Stretch, track_fields


def query_of(clip: Clip) -> Query:
    """What is told of the audio itself."""
    used = Stretch(start_s=round(clip.start_s, 3), end_s=round(clip.end_s, 3)) if clip.cut else None
    return Query(duration_s=round(clip.duration_s, 3), used=used)


def match_of(match: TrackMatch, start_s: float) -> Match:
    """What goes over the wire; `start_s` is where the matched stretch begins in the clip."""
    found = match.alignment
    return Match(
        **track_fields(match.track),
        offset_s=round(found.offset_s - found.speed * start_s, 3),
        score=round(found.score, 4),
        confidence=round(found.confidence, 4),
        speed=round(found.speed, 4),
        pitch_semitones=round(found.pitch_semitones, 2),
        aligned_s=round(found.aligned_s, 3),
        same_recording=list(match.same_recording),
    )


def segment_of(found: TrackSegment) -> Segment:
    """What goes over the wire."""
    return Segment(
        **track_fields(found.track),
        **_placed(found.segment),
        same_recording=list(found.same_recording),
        alternatives=[Sound(**track_fields(track), **_placed(sound)) for track, sound in found.alternatives],
    )


def answering_of(recogniser: Recogniser) -> Answering:
    """What goes over the wire."""
    tuning, settings = recogniser.tuning, recogniser.settings
    return Answering(
        min_confidence=tuning.min_confidence,
        hits=settings.hits,
        max_searched=settings.max_searched,
        search_params=dict(tuning.search_params),
        tuned=list(tuning.to_dict() or ()),
    )


def _placed(heard: Heard) -> dict[str, Any]:
    return {
        "start_s": round(heard.start_s, 2),
        "end_s": round(heard.end_s, 2),
        "track_start_s": round(heard.track_start_s, 2),
        "track_end_s": round(heard.track_end_s, 2),
        "confidence": round(heard.confidence, 4),
        "score": round(heard.score, 4),
        "speed": round(heard.speed, 4),
        "pitch_semitones": round(heard.pitch_semitones, 2),
    }
