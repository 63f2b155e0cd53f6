"""What was found → what goes over the wire."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serve.clip import Clip
from serve.matching import Pair as Met
from serve.matching.timeline import Sound as Heard
from serve.recogniser import Recogniser, TrackMatch, TrackSegment
from serve.schema import (
    EVIDENCE_PAIRS,
    Answering,
    Match,
    Pair,
    Query,
    Segment,
    Sound,
    Stretch,
    track_fields,
)


def query_of(clip: Clip) -> Query:
    """What is told of the audio itself."""
    used = Stretch(start_s=round(clip.start_s, 3), end_s=round(clip.end_s, 3)) if clip.cut else None
    return Query(duration_s=round(clip.duration_s, 3), used=used)


def match_of(match: TrackMatch, start_s: float, evidence: bool = False) -> Match:
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
        evidence=[pair_of(met, start_s) for met in thinned(found.evidence())] if evidence else None,
    )


def thinned(pairs: Sequence[Met]) -> list[Met]:
    """As many as are told at most, evenly spread, with the first and the last."""
    kept = np.linspace(0, len(pairs) - 1, min(len(pairs), EVIDENCE_PAIRS)).round().astype(int)
    return [pairs[n] for n in kept]


def pair_of(met: Met, start_s: float) -> Pair:
    """What goes over the wire; rounding may carry a cosine past 1."""
    return Pair(
        clip_s=round(start_s + met.clip_s, 3),
        track_s=round(met.track_s, 3),
        similarity=round(max(-1.0, min(1.0, met.similarity)), 4),
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
