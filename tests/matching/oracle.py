"""The matcher's answer by exhaustion: every recording, offset and speed, scored as the definition says."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching import MatcherSettings
from tests.matching.world import Clip, Floats, Song, segment_times_s, unit


@dataclass(frozen=True)
class Truth:
    recording_id: int
    offset_s: float
    speed: float
    strength: float


def cosines_along(query: Clip, stored: Floats, offset_s: float, speed: float) -> Floats:
    """Cosine of every stored embedding in the clip's span with the clip's embedding of its moment."""
    times_s = (segment_times_s(len(stored)) - offset_s) / speed
    inside = (times_s >= 0) & (times_s < len(query.vectors) * EMBEDDING_HOP_S)
    place = np.clip(times_s[inside] / EMBEDDING_HOP_S - 0.5, 0, len(query.vectors) - 1)
    left = np.floor(place).astype(int)
    right = np.minimum(left + 1, len(query.vectors) - 1)
    share = (place - left)[:, None]
    heard = unit(query.vectors[left] * (1 - share) + query.vectors[right] * share)
    return np.asarray((heard * stored[inside]).sum(axis=1), np.float32)


def exhaust(
    query: Clip, songs: Mapping[int, Song], offset_step_s: float, speed_step: float, settings: MatcherSettings
) -> Truth:
    """The strongest line of all on that grid; the clip must be audible throughout."""
    clip_s = len(query.vectors) * EMBEDDING_HOP_S
    reach = int(np.log(settings.max_speed) / speed_step)
    truths = [
        Truth(recording_id, offset_s, speed, strength_of(query, stored, offset_s, speed, settings))
        for recording_id, song in songs.items()
        for stored in [song.stored()]
        for offset_s in np.arange(-clip_s / 2, song.duration_s - clip_s / 2, offset_step_s)
        for speed in np.exp(np.arange(-reach, reach + 1) * speed_step)
    ]
    return max(truths, key=lambda truth: truth.strength)


def strength_of(query: Clip, stored: Floats, offset_s: float, speed: float, settings: MatcherSettings) -> float:
    cosines = cosines_along(query, stored, offset_s, speed)
    expected = len(query.vectors) / 4 + settings.prior_pairs
    return float(
        cosines.sum() / (len(cosines) + settings.prior_pairs) - settings.speed_cost * abs(np.log(speed)) / expected
    )
