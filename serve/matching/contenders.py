"""Which of the recordings hit take part in the vote: published ones, those first that have most to gain."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ingest.fingerprint.grid import SEGMENT_BITS, SEGMENT_HOP_S
from serve.matching.contract import Ints
from serve.matching.searching import HitList
from serve.matching.settings import MatcherSettings
from serve.matching.voting import Doubles, group_starts


def contenders(
    hits: HitList,
    clip_s: float,
    published: Callable[[Sequence[int]], Mapping[int, int]],
    settings: MatcherSettings,
) -> tuple[HitList, dict[int, int]]:
    """Hits of the published recordings with most to gain, and these recordings' track ids.

    Asking in that order until enough are known to be published asks for few recordings, and no unpublished one
    displaces another.
    """
    recordings, gains = greatest_gains(hits, clip_s, settings) if len(hits) else (hits.recordings, hits.weights)
    falling = recordings[np.lexsort((recordings, -gains))].tolist()
    tracks: dict[int, int] = {}
    for start in range(0, len(falling), settings.considered):
        asked = falling[start : start + settings.considered]
        known = published(asked)
        room = settings.considered - len(tracks)
        tracks.update([(recording, known[recording]) for recording in asked if recording in known][:room])
        if len(tracks) == settings.considered:
            break
    return hits.of(np.isin(hits.recordings, list(tracks))), tracks


def greatest_gains(hits: HitList, clip_s: float, settings: MatcherSettings) -> tuple[Ints, Doubles]:
    """Recordings hit, and for each a bound on what a line of it can get, sharp enough for recordings of hours.

    A line crosses at most `max_speed` times the clip's length of a recording, so it lies within two neighbouring
    windows of that length, and there every embedding has at most its best hit.
    """
    distinct, rank = np.unique(hits.recordings, return_inverse=True)
    window = (hits.segments * SEGMENT_HOP_S // (clip_s * settings.max_speed)).astype(np.int64) + 1
    pairs = np.concatenate([window, window - 1]) + (np.tile(rank, 2) << SEGMENT_BITS + 1)
    positions = int(hits.positions.max()) + 1
    cells = pairs * positions + np.tile(hits.positions, 2)
    order = np.argsort(cells)
    weights = np.tile(hits.weights.astype(np.float64), 2)[order]

    starts = group_starts(cells[order])
    best, pairs = np.maximum.reduceat(weights, starts), pairs[order][starts]
    starts = group_starts(pairs)
    gains, rank = np.add.reduceat(best, starts), pairs[starts] >> SEGMENT_BITS + 1
    return distinct, np.asarray(np.maximum.reduceat(gains, group_starts(rank)), np.float64)
