"""Lines scored exactly: the clip's embeddings against the stored ones along the line, then refined."""

from dataclasses import dataclass, replace

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_BITS, SEGMENT_HOP_S
from ingest.fingerprint.peaks import NO_PEAK
from serve.matching.contract import Bools, Floats, Ints, Pair, Peaks, Query, Rows
from serve.matching.second_opinion import constellation, listen
from serve.matching.settings import MatcherSettings
from serve.matching.voting import Doubles, Lines, stored_centre_s

BACKGROUND_PRIOR = 100  # cosines: with as many of its own an embedding's background is half its own


@dataclass(frozen=True)
class Alignment:
    """One line, scored. A moment u of the reading is the track's offset_s + slope · u."""

    recording_id: int
    ratio: float  # of the reading, as in `Variants`
    offset_s: float
    slope: float
    score: float  # mean cosine of the pairs
    contrast: float  # the same above what the clip's embeddings have with just anything
    agreement: float  # of the clip with the recording's spectral peaks: see `second_opinion`
    peaks: int  # of the recording within the clip
    semitones: float  # of the reading over the recording
    strength: float  # contrast, shrunk for few pairs and an unusual speed, and agreement: what lines are compared by
    pairs: int  # stored embeddings that met an audible one of the clip
    coverage: float  # share of the clip's audible length that the pairs cover
    first_segment: int  # of the M fetched
    vectors: Floats  # [M, D]
    present: Bools  # [M]
    cosines: Floats  # [M], of the pairs
    paired: Bools  # [M]

    @property
    def speed(self) -> float:
        """Of the clip, on the recording.

        The reading lasts ratio times as long as the clip, so u = ratio · t and the track's time is
        offset_s + slope · ratio · t.
        """
        return self.slope * self.ratio

    def evidence(self) -> tuple[Pair, ...]:
        """The pairs, in the order of the track."""
        met = np.flatnonzero(self.paired)
        track_s = stored_centre_s(self.first_segment + met)
        clip_s = (track_s - self.offset_s) / self.speed
        rows = zip(clip_s.tolist(), track_s.tolist(), self.cosines[met].tolist(), strict=True)
        return tuple(Pair(*row) for row in rows)


@dataclass(frozen=True)
class Sheet:
    """A reading beside the stored embeddings of C lines."""

    similarity: Floats  # [C, N, M], cosines
    background: Floats  # [N], what each embedding of the reading has with just anything
    between: Floats  # [N], cosine of each embedding of the reading and the next; 1 for the last
    audible: Bools  # [N]
    track_s: Floats  # [C, M], centre of each stored segment after the line's anchor
    present: Bools  # [C, M]

    def contrasted(self) -> "Sheet":
        """The same with cosines above each embedding's background.

        Some embeddings are near to nearly all others, those of noise above all, and no encoder centres music on zero.
        What is fetched for the lines is mostly wrong, so its median tells what is usual for an embedding of this clip.
        """
        return replace(self, similarity=self.similarity - self.background[:, None])


def line_length(clip_s: float, settings: MatcherSettings) -> int:
    """Stored embeddings M that cover the clip at the greatest speed, and the window that is refined in."""
    return int(np.ceil(2 * _reach_s(clip_s, settings) / SEGMENT_HOP_S)) + 1


def _reach_s(clip_s: float, settings: MatcherSettings) -> float:
    return clip_s / 2 * settings.max_speed + settings.offset_window_s + settings.offset_step_s


def line_keys(reading: Query, lines: Lines, settings: MatcherSettings) -> Ints:
    """Keys of all that may be stored along the lines, ascending, each once."""
    segments = _segments(reading, lines, settings)
    keys = (lines.recordings[:, None] << SEGMENT_BITS) + segments
    return np.unique(keys[_possible(segments)])


def rescore(reading: Query, ratio: float, lines: Lines, rows: Rows, settings: MatcherSettings) -> list[Alignment]:
    """Every line that has something stored along it, at its best offset and speed.

    `rows` are what is stored under the lines' keys, and maybe more.
    """
    if not len(lines.recordings):
        return []
    clip_s = len(reading.vectors) * EMBEDDING_HOP_S
    segments = _segments(reading, lines, settings)
    vectors, peaks, present = _stored(lines.recordings, segments, reading.vectors.shape[1], rows)
    sheet = _sheet(reading, vectors, present, stored_centre_s(segments) - lines.anchors_s[:, None])
    moved_s, slopes = refine(sheet.contrasted(), lines, settings)
    cosines, paired = (found[:, 0] for found in pair_up(sheet, moved_s[:, None], slopes[:, None]))
    totals, pairs = cosines.sum(axis=1), paired.sum(axis=1)
    (contrasts,), _ = (found.T for found in score_lines(sheet.contrasted(), moved_s[:, None], slopes[:, None]))
    offsets_s = lines.anchors_s + moved_s - slopes * clip_s / 2
    stars = constellation(segments, peaks, reading.salience.frame_s)
    heard = listen(reading.salience, stars, offsets_s, slopes, settings)
    strengths = strength(contrasts, pairs, slopes, clip_s, settings) + settings.peak_weight * heard.agreement
    possible = np.maximum(reading.audible.sum() * EMBEDDING_HOP_S * slopes / SEGMENT_HOP_S, 1.0)
    return [
        Alignment(
            recording_id=int(lines.recordings[c]),
            ratio=ratio,
            offset_s=float(offsets_s[c]),
            slope=float(slopes[c]),
            score=float(totals[c] / pairs[c]),
            contrast=float(contrasts[c] / pairs[c]),
            agreement=float(heard.agreement[c]),
            peaks=int(heard.peaks[c]),
            semitones=float(heard.semitones[c]),
            strength=float(strengths[c]),
            pairs=int(pairs[c]),
            coverage=float(min(pairs[c] / possible[c], 1.0)),
            first_segment=int(segments[c, 0]),
            vectors=vectors[c],
            present=present[c],
            cosines=cosines[c],
            paired=paired[c],
        )
        for c in np.flatnonzero(pairs)
    ]


def _segments(reading: Query, lines: Lines, settings: MatcherSettings) -> Ints:
    """Segments [C, M] along the lines, whether they can exist or not."""
    clip_s = len(reading.vectors) * EMBEDDING_HOP_S
    first = np.floor((lines.anchors_s - _reach_s(clip_s, settings)) / SEGMENT_HOP_S).astype(np.int64)
    return first[:, None] + np.arange(line_length(clip_s, settings))


def _possible(segments: Ints) -> Bools:
    return (segments >= 0) & (segments < 1 << SEGMENT_BITS)


def _sheet(reading: Query, vectors: Floats, present: Bools, track_s: Doubles) -> Sheet:
    between = np.einsum("nd,nd->n", reading.vectors[:-1], reading.vectors[1:])
    similarity = np.asarray(reading.vectors @ vectors.transpose(0, 2, 1), np.float32)
    return Sheet(
        similarity=similarity,
        background=_background(similarity.transpose(1, 0, 2)[:, present]),
        between=np.append(between, 1.0).astype(np.float32),
        audible=reading.audible,
        track_s=track_s.astype(np.float32),
        present=present,
    )


def _background(with_anything: Floats) -> Floats:
    """Median of each row [N, ·]; where it rests on few numbers, shrunk towards that of all."""
    if not with_anything.size:
        return np.zeros(len(with_anything), np.float32)
    overall = np.median(with_anything)
    own = with_anything.shape[1] / (with_anything.shape[1] + BACKGROUND_PRIOR)
    return np.asarray(overall + own * (np.median(with_anything, axis=1) - overall), np.float32)


def _stored(recordings: Ints, segments: Ints, dim: int, rows: Rows) -> tuple[Floats, Peaks, Bools]:
    """Vectors [C, M, D] and peaks [C, M, ·] of `segments` [C, M], and which are stored [C, M]; the others' are 0."""
    keys = (recordings[:, None] << SEGMENT_BITS) + segments
    if not len(rows.keys):
        none = np.zeros(segments.shape, np.bool_)
        return np.zeros((*segments.shape, dim), np.float32), np.full((*segments.shape, 1), NO_PEAK, np.uint16), none
    order = np.argsort(rows.keys, kind="stable")
    at = np.minimum(np.searchsorted(rows.keys, keys, sorter=order), len(order) - 1)
    present = _possible(segments) & (rows.keys[order[at]] == keys)
    vectors = np.where(present[..., None], np.asarray(rows.vectors, np.float32)[order[at]], np.float32(0))
    peaks = np.where(present[..., None], rows.peaks[order[at]], np.uint16(NO_PEAK))
    return vectors, peaks, present


def interpolated_cosine(
    left: Floats, right: Floats, left_share: Floats, right_share: Floats, between: Floats
) -> Floats:
    """Cosine with the re-normalised mix of two unit vectors, from those with each and between them.

    |a·l + b·r|² = a² + b² + 2ab·(l·r).
    """
    norm = np.sqrt(left_share**2 + right_share**2 + 2 * left_share * right_share * between)
    return np.asarray((left_share * left + right_share * right) / np.maximum(norm, 1e-6), np.float32)


def score_lines(sheet: Sheet, moved_s: Floats, slopes: Floats) -> tuple[Floats, Ints]:
    """Sum of the cosines and number of pairs [C, H] of the lines moved by so much and of these slopes [C, H]."""
    cosines, paired = pair_up(sheet, moved_s, slopes)
    return cosines.sum(axis=2), paired.sum(axis=2)


def pair_up(sheet: Sheet, moved_s: Floats, slopes: Floats) -> tuple[Floats, Bools]:
    """Cosines along the lines moved by so much and of these slopes [C, H], and where a pair is: [C, H, M] both.

    A stored embedding within the clip's span is paired with the reading interpolated at its time. It counts
    if it is there and the nearest embedding of the reading is audible; a silent neighbour has no part in the
    mix.
    """
    lines, n, m = sheet.similarity.shape
    after_middle_s = (sheet.track_s[:, None, :] - moved_s[..., None]) / slopes[..., None]
    position = after_middle_s * np.float32(1 / EMBEDDING_HOP_S) + np.float32(n / 2 - 0.5)  # [C, H, M]
    inside = (position >= -0.5) & (position < n - 0.5)
    left = np.clip(np.floor(position), 0, n - 1).astype(np.int64)
    right = np.minimum(left + 1, n - 1)
    share = np.clip(position - left.astype(np.float32), 0, 1)
    counted = inside & sheet.present[:, None, :] & sheet.audible.take(np.where(share < 0.5, left, right))

    flat = sheet.similarity.reshape(-1)
    base = np.arange(lines)[:, None, None] * (n * m) + np.arange(m)
    cosines = interpolated_cosine(
        flat.take(base + left * m),
        flat.take(base + right * m),
        (1 - share) * sheet.audible.take(left),
        share * sheet.audible.take(right),
        sheet.between.take(left),
    )
    return np.where(counted, cosines, np.float32(0)), counted


def strength(totals: Floats, pairs: Ints, slopes: Floats, clip_s: float, settings: MatcherSettings) -> Doubles:
    """What lines are compared by: the mean contrast, with `prior_pairs` of contrast 0 beside the pairs.

    The speed's cost is a prior: it weighs little beside many pairs and keeps one or two from inventing a
    speed.
    """
    cost = settings.speed_cost * np.abs(np.log(slopes)) / (clip_s / SEGMENT_HOP_S + settings.prior_pairs)
    return np.asarray(totals / (pairs + settings.prior_pairs) - cost, np.float64)


def refine(sheet: Sheet, lines: Lines, settings: MatcherSettings) -> tuple[Floats, Floats]:
    """Moves and slopes [C] of greatest strength near the lines', on ever finer grids."""
    clip_s = len(sheet.audible) * EMBEDDING_HOP_S
    step_s, step = settings.offset_step_s, lines.spacing / 3
    coarse = round(settings.offset_window_s / step_s)
    slopes = lines.speeds.astype(np.float32)
    moved_s = np.zeros_like(slopes)
    grids = ((coarse, step_s, 3, step), (3, step_s / 4, 2, step / 2), (2, step_s / 8, 2, step / 4))
    for grid in grids:
        moves, ratios = _moves(*grid)
        tried_s = moved_s[:, None] + moves
        tried = np.clip(slopes[:, None] * ratios, settings.min_speed, settings.max_speed)
        totals, pairs = score_lines(sheet, tried_s, tried)
        best = strength(totals, pairs, tried, clip_s, settings).argmax(axis=1)[:, None]
        moved_s = np.take_along_axis(tried_s, best, axis=1)[:, 0]
        slopes = np.take_along_axis(tried, best, axis=1)[:, 0]
    return moved_s, slopes


def _moves(reach: int, step_s: float, reach_slope: int, step: float) -> tuple[Floats, Floats]:
    """Offsets and slope factors [H] of a grid, smallest moves first: among equals the nearest is taken."""
    by_s, by = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach_slope, reach_slope + 1))
    order = np.argsort(np.abs(by_s) + np.abs(by), axis=None, kind="stable")
    moves_s, ratios = by_s.ravel()[order] * step_s, np.exp(by.ravel()[order] * step)
    return moves_s.astype(np.float32), ratios.astype(np.float32)
