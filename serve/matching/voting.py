"""From hits to lines: votes in (recording, offset, speed).

A hit of clip time t on track time τ lies on every line τ = anchor + speed · (t − middle of the clip).
Anchoring in the middle makes offset and speed nearly independent, so that few speeds are enough.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching.contract import Bools, Ints
from serve.matching.searching import HitList
from serve.matching.settings import MatcherSettings

Doubles = npt.NDArray[np.float64]

ANCHOR_BITS = 32  # of a cell's number; a recording has fewer than 2^20 segments, so fewer than 2^22 bins


@dataclass(frozen=True)
class Lines:
    """Where the clip may lie: the most voted recordings' most voted lines, then further ones of theirs."""

    recordings: Ints  # [C]
    anchors_s: Doubles  # [C], track time of the clip's middle
    speeds: Doubles  # [C]
    votes: Doubles  # [C]
    spacing: float  # of the speeds voted on, as a logarithm


NO_LINES = Lines(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0), 0.0)


@dataclass(frozen=True)
class Tally:
    """Cells (recording, anchor) that got votes, each at its best speed."""

    recordings: Ints  # [cells]
    anchors: Ints  # [cells], in bins
    speeds: Doubles  # [cells]
    votes: Doubles  # [cells]

    def of(self, keep: Ints | Bools) -> "Tally":
        """Those at the indices, or marked, by `keep`."""
        return Tally(self.recordings[keep], self.anchors[keep], self.speeds[keep], self.votes[keep])


def group_starts(rising: Ints) -> Ints:
    """Where a new value begins among at least one."""
    return np.flatnonzero(np.concatenate([[True], np.diff(rising) != 0]))


def stored_centre_s(segments: npt.NDArray[np.integer]) -> Doubles:
    """Track time on which stored segments are centred."""
    return np.asarray(segments * SEGMENT_HOP_S + EMBEDDING_HOP_S / 2, np.float64)


def speed_grid(clip_s: float, settings: MatcherSettings) -> Doubles:
    """Speeds [J] voted on, evenly spaced in the logarithm below and above 1.

    A speed between two of them leaves the nearer one by at most half of `speed_drift_s` at the ends of the
    clip.
    """
    step = settings.speed_drift_s / (clip_s / 2 * settings.max_speed)
    slow, fast = np.log(settings.min_speed), np.log(settings.max_speed)
    slower = np.linspace(slow, 0.0, int(np.ceil(-slow / step)) + 1)[:-1]
    faster = np.linspace(0.0, fast, int(np.ceil(fast / step)) + 1)
    return np.asarray(np.exp(np.concatenate([slower, faster])), np.float64)


def vote(hits: HitList, clip_s: float, line_length: int, settings: MatcherSettings) -> Lines:
    """The most voted lines of at least one hit; the longer one is (in stored embeddings), the fewer."""
    speeds = speed_grid(clip_s, settings)
    spacing = float(np.diff(np.log(speeds)).max()) if len(speeds) > 1 else 0.0
    tally = _tally(hits, clip_s, speeds, settings)
    wanted = int(np.clip(settings.fetched // line_length, settings.min_lines, settings.max_lines))
    chosen = _strongest(tally, wanted, settings)
    anchors_s = (chosen.anchors * settings.vote_bin_s).astype(np.float64)
    return Lines(chosen.recordings, anchors_s, chosen.speeds, chosen.votes, spacing)


def _tally(hits: HitList, clip_s: float, speeds: Doubles, settings: MatcherSettings) -> Tally:
    """Sum of the hits' weights in every cell (recording, anchor, speed), and of that every place's best speed.

    The stored neighbour of a clip's embedding is up to half a segment off the line. So a hit counts for the
    four anchors within two bins (one segment) of it, less the farther: bins' borders then split no line.
    """
    distinct, rank = np.unique(hits.recordings, return_inverse=True)
    clip_times = (hits.positions + 0.5) * EMBEDDING_HOP_S - clip_s / 2
    bins = (stored_centre_s(hits.segments)[:, None] - np.outer(clip_times, speeds)) / settings.vote_bin_s  # [V, J]
    below = np.floor(bins)
    above = bins - below  # by which a hit lies above a node; the shares are 1 - |distance in bins| / 2
    halves = hits.weights.astype(np.float64)[:, None] / 2
    votes = np.stack([(1 - above) * halves, (2 - above) * halves, (1 + above) * halves, above * halves], axis=-1)

    by_closeness = np.argsort(np.abs(np.log(speeds)), kind="stable")
    cells = (rank[:, None] << ANCHOR_BITS) + below.astype(np.int64) + (1 << ANCHOR_BITS - 1)
    cells = cells * len(speeds) + np.argsort(by_closeness)
    cells = cells[..., None] + np.arange(-1, 3) * len(speeds)  # [V, J, 4]
    distinct_cells, totals = _summed(cells.ravel(), votes.ravel())
    places, closeness = np.divmod(distinct_cells, len(speeds))
    cell_speeds = speeds[by_closeness][closeness]
    totals = totals * (1.0 - settings.unusual_speed * np.abs(np.log(cell_speeds)))
    best = _first_greatest(places, totals)
    anchors = (places[best] & (1 << ANCHOR_BITS) - 1) - (1 << ANCHOR_BITS - 1)
    return Tally(distinct[places[best] >> ANCHOR_BITS], anchors, cell_speeds[best], totals[best])


def _summed(cells: Ints, votes: Doubles) -> tuple[Ints, Doubles]:
    """Distinct cells in rising order, and the sum of the votes of each."""
    order = np.argsort(cells)
    cells = cells[order]
    starts = group_starts(cells)
    return cells[starts], np.add.reduceat(votes[order], starts)


def _first_greatest(places: Ints, votes: Doubles) -> Ints:
    """Index of the greatest of the votes of each place, the first among equals; equal places lie together."""
    starts = group_starts(places)
    greatest = np.maximum.reduceat(votes, starts)
    reached = np.flatnonzero(votes == np.repeat(greatest, np.diff(starts, append=len(votes))))
    return reached[group_starts(places[reached])]


def _strongest(tally: Tally, wanted: int, settings: MatcherSettings) -> Tally:
    """The best cell of the `wanted` best recordings, then the best others of these that come near.

    The tally's recordings rise.
    """
    starts = group_starts(tally.recordings)
    greatest = np.repeat(np.maximum.reduceat(tally.votes, starts), np.diff(starts, append=len(tally.votes)))
    contending = tally.of((tally.votes == greatest) | (tally.votes >= settings.repeat_share * tally.votes.max()))
    by_votes = contending.of(np.lexsort((contending.anchors, contending.recordings, -contending.votes)))
    _, first = np.unique(by_votes.recordings, return_index=True)
    best = by_votes.of(np.sort(first)[:wanted])
    near = by_votes.votes >= settings.repeat_share * best.votes[0]
    peaks = _peaks(by_votes.of(near & np.isin(by_votes.recordings, best.recordings)), settings)
    others = peaks.of(~np.isin(_place(peaks), _place(best)))
    others = others.of(np.arange(min(len(others.votes), settings.repeats)))
    return Tally(
        np.concatenate([best.recordings, others.recordings]),
        np.concatenate([best.anchors, others.anchors]),
        np.concatenate([best.speeds, others.speeds]),
        np.concatenate([best.votes, others.votes]),
    )


def _place(tally: Tally) -> Ints:
    return (tally.recordings << ANCHOR_BITS) + tally.anchors


def _peaks(falling: Tally, settings: MatcherSettings) -> Tally:
    """Of cells in order of falling votes those without a stronger one of their recording nearby."""
    gap = settings.line_gap_s / settings.vote_bin_s
    taken: dict[int, list[int]] = {}
    kept = []
    places = zip(falling.recordings.tolist(), falling.anchors.tolist(), strict=True)
    for index, (recording, anchor) in enumerate(places):
        if all(abs(anchor - other) >= gap for other in taken.setdefault(recording, [])):
            taken[recording].append(anchor)
            kept.append(index)
    return falling.of(np.array(kept, np.int64))
