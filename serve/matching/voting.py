"""From hits to lines: votes in (recording, offset, speed).

A hit of clip time t on track time τ lies on every line τ = anchor + speed · (t − middle of the clip).
Anchoring in the middle makes offset and speed nearly independent, so that few speeds are enough.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching.contract import Bools, Ints
from serve.matching.searching import HitList
from serve.matching.settings import MatcherSettings

Doubles = npt.NDArray[np.float64]

CELL_BITS = 32  # of a cell's number that hold the offset; a recording has fewer than 2^20 segments


@dataclass(frozen=True)
class Lines:
    """Where the clip may lie: the most voted recordings' most voted lines, then further ones of theirs."""

    recordings: Ints  # [C]
    anchors_s: Doubles  # [C], track time of the clip's middle
    speeds: Doubles  # [C]
    spacing: float  # of the speeds voted on, as a logarithm

    def __len__(self) -> int:
        return len(self.recordings)


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


def stored_centre_s(segments: npt.NDArray[np.integer]) -> Doubles:
    """Track time on which stored segments are centred."""
    return np.asarray(segments * SEGMENT_HOP_S + EMBEDDING_HOP_S / 2, np.float64)


def contenders(
    hits: HitList, published: Callable[[Sequence[int]], Mapping[int, int]], settings: MatcherSettings
) -> tuple[HitList, dict[int, int]]:
    """Hits of the published recordings with most to gain, and these recordings' track ids.

    No line of a recording can gain more than its best hit of every embedding together. Asking in that order
    until enough are known to be published asks for few recordings, and no unpublished one displaces another.
    """
    recordings, gains = _greatest_gains(hits, settings.noise_floor)
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


def _greatest_gains(hits: HitList, noise_floor: float) -> tuple[Ints, Doubles]:
    """Recordings hit, and for each the sum over the embeddings of its best hit's weight."""
    order = np.lexsort((-hits.scores, hits.positions, hits.recordings))
    recordings, positions = hits.recordings[order], hits.positions[order]
    best = np.ones(len(order), np.bool_)
    best[1:] = (np.diff(recordings) != 0) | (np.diff(positions) != 0)
    weights = hits.scores[order][best].astype(np.float64) - noise_floor
    distinct, inverse = np.unique(recordings[best], return_inverse=True)
    return distinct, np.bincount(inverse, weights, len(distinct)).astype(np.float64)


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
    """The most voted lines; the longer one is (in stored embeddings), the fewer."""
    speeds = speed_grid(clip_s, settings)
    spacing = float(np.diff(np.log(speeds)).max()) if len(speeds) > 1 else 0.0
    tally = _tally(hits, clip_s, speeds, settings)
    wanted = int(np.clip(settings.fetched // line_length, settings.min_lines, settings.max_lines))
    chosen = _strongest(tally, wanted, settings)
    anchors_s = (chosen.anchors * settings.vote_bin_s).astype(np.float64)
    return Lines(chosen.recordings, anchors_s, chosen.speeds, spacing)


def _tally(hits: HitList, clip_s: float, speeds: Doubles, settings: MatcherSettings) -> Tally:
    """Sum of the hits' weights in every cell (recording, speed, anchor).

    The stored neighbour of a clip's embedding is up to half a segment off the line. So a hit counts for the
    four anchors within two bins (one segment) of it, less the farther: bins' borders then split no line.
    """
    distinct, rank = np.unique(hits.recordings, return_inverse=True)
    clip_times = (hits.positions + 0.5) * EMBEDDING_HOP_S - clip_s / 2
    bins = (stored_centre_s(hits.segments)[:, None] - np.outer(clip_times, speeds)) / settings.vote_bin_s  # [V, J]
    nodes = np.floor(bins)[..., None] + np.arange(-1, 3)  # [V, J, 4]
    shares = 1.0 - np.abs(bins[..., None] - nodes) / 2.0
    votes = (hits.scores.astype(np.float64) - settings.noise_floor)[:, None, None] * shares

    plane = (rank[:, None] * len(speeds) + np.arange(len(speeds)))[..., None]
    cells = (plane << CELL_BITS) + nodes.astype(np.int64) + (1 << CELL_BITS - 1)
    distinct_cells, totals = _summed(cells.ravel(), votes.ravel())
    rank, at_speed = np.divmod(distinct_cells >> CELL_BITS, len(speeds))
    anchors = (distinct_cells & (1 << CELL_BITS) - 1) - (1 << CELL_BITS - 1)
    totals *= 1.0 - settings.unusual_speed * np.abs(np.log(speeds[at_speed]))
    return _at_best_speed(Tally(distinct[rank], anchors, speeds[at_speed], totals))


def _summed(cells: Ints, votes: Doubles) -> tuple[Ints, Doubles]:
    """Distinct cells in rising order, and the sum of the votes of each."""
    order = np.argsort(cells, kind="stable")
    cells, votes = cells[order], votes[order]
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(cells), 1), np.bool_), np.diff(cells) != 0]))
    return cells[starts], np.add.reduceat(votes, starts) if len(starts) else votes


def _at_best_speed(tally: Tally) -> Tally:
    """Of each (recording, anchor) the cell with most votes; among equals the one nearest to speed 1."""
    order = np.lexsort((np.abs(np.log(tally.speeds)), -tally.votes, tally.anchors, tally.recordings))
    tally = tally.of(order)
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(tally.recordings) != 0) | (np.diff(tally.anchors) != 0)
    return tally.of(first)


def _strongest(tally: Tally, wanted: int, settings: MatcherSettings) -> Tally:
    """The best cell of the `wanted` best recordings, then the earliest others of these that come near."""
    by_votes = tally.of(np.lexsort((tally.anchors, tally.recordings, -tally.votes)))
    _, first = np.unique(by_votes.recordings, return_index=True)
    best = by_votes.of(np.sort(first)[:wanted])
    if not len(best.votes):
        return best
    near = by_votes.votes >= settings.repeat_share * best.votes[0]
    peaks = _peaks(by_votes.of(near & np.isin(by_votes.recordings, best.recordings)), settings)
    others = peaks.of(~np.isin(_place(peaks), _place(best)))
    others = others.of(np.argsort(others.anchors, kind="stable")[: settings.repeats])
    return Tally(
        np.concatenate([best.recordings, others.recordings]),
        np.concatenate([best.anchors, others.anchors]),
        np.concatenate([best.speeds, others.speeds]),
        np.concatenate([best.votes, others.votes]),
    )


def _place(tally: Tally) -> Ints:
    return (tally.recordings << CELL_BITS) + tally.anchors


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
