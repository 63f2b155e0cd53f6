"""Which alignments speak of the same thing: repeats inside a recording, and recordings of one content."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import SEGMENT_HOP_S
from serve.matching.contract import Floats
from serve.matching.rescoring import Alignment, interpolated_cosine
from serve.matching.settings import MatcherSettings
from serve.matching.voting import stored_centre_s

SHIFTS_S = np.arange(-8, 9) * 0.008  # by which two lines are taken to be in error of each other


@dataclass(frozen=True)
class Agreement:
    """How alike the stored embeddings of two recordings are along their lines."""

    cosine: float  # mean
    margin: float  # mean excess over what one content would have at least

    @property
    def same(self) -> bool:
        """Whether it is one content."""
        return self.margin >= 0


NOTHING_SHARED = Agreement(0.0, -1.0)


def one_each(alignments: Iterable[Alignment], settings: MatcherSettings) -> list[Alignment]:
    """Every recording's place, strongest first: its best, or the earliest repeat of the same passage."""
    by_recording: dict[int, list[Alignment]] = {}
    for alignment in alignments:
        by_recording.setdefault(alignment.recording_id, []).append(alignment)
    places = [_earliest_equal(places, settings) for places in by_recording.values()]
    return sorted(places, key=lambda place: (-place.strength, place.recording_id))


def _earliest_equal(places: list[Alignment], settings: MatcherSettings) -> Alignment:
    best = max(places, key=lambda place: (place.strength, -place.offset_s))
    alike = [place for place in places if place.ratio == best.ratio]
    if best.pairs >= settings.place_pairs:
        best = max(alike, key=lambda place: (placing(place, settings), -place.offset_s))
    equals = [
        place
        for place in alike
        if best.offset_s - place.offset_s >= settings.line_gap_s
        and place.score >= best.score - settings.repeat_epsilon
        and place.pairs >= best.pairs - 1
        and agreement(best, place, settings).same
    ]
    return min([*equals, best], key=lambda place: place.offset_s)


def placing(place: Alignment, settings: MatcherSettings) -> float:
    """What places of one recording, on one reading of the clip, are compared by where the clip is not too short.

    What a clip has in common with just anything is the same at all of them, so plain cosines tell more there than
    contrasts, and peaks less than they tell of recordings.
    """
    shrunk = place.pairs / (place.pairs + settings.prior_pairs)
    peaks = (settings.place_peak_weight - settings.peak_weight) * place.agreement
    return place.strength + shrunk * (place.score - place.contrast) + peaks


def groups(places: list[Alignment], settings: MatcherSettings) -> list[list[Alignment]]:
    """Recordings of one content together, the strongest first in each; groups by their strongest."""
    found: list[list[Alignment]] = []
    for place in places:
        for group in found[: settings.grouped]:
            if _comparable(group[0], place, settings) and agreement(group[0], place, settings).same:
                group.append(place)
                break
        else:
            found.append([place])
    return found


def _comparable(a: Alignment, b: Alignment, settings: MatcherSettings) -> bool:
    """Whether the clip lies as well, and as far, on both: an excerpt does not stand for the whole recording."""
    as_far = min(a.pairs, b.pairs) >= settings.same_share * max(a.pairs, b.pairs)
    return as_far and abs(a.score - b.score) <= settings.same_epsilon


def agreement(a: Alignment, b: Alignment, settings: MatcherSettings) -> Agreement:
    """Compare what a and b have stored at the same moments of the clip.

    Their stored grids may be out of phase, so a is interpolated at b's times, the less reliably the farther
    both are apart; and each line is in error by some ms, so the shift that suits best is taken.
    """
    b_track_s = stored_centre_s(b.first_segment + np.flatnonzero(b.present))
    a_track_s = a.offset_s + (b_track_s - b.offset_s) * (a.speed / b.speed) + SHIFTS_S[:, None]
    place = (a_track_s - stored_centre_s(np.array(a.first_segment))) / SEGMENT_HOP_S  # [shifts, M of b]
    left = np.clip(np.floor(place), 0, len(a.vectors) - 1).astype(np.int64)
    right = np.minimum(left + 1, len(a.vectors) - 1)
    share = (place - left).astype(np.float32)
    inside = (share >= 0) & (share <= 1)
    missing = (1 - share) * ~a.present[left] + share * ~a.present[right]
    counted = inside & (missing < 0.02)
    cosines = _cosines(a, b, left, right, share)

    loss = (settings.same_cosine - settings.same_cosine_between) * 2 * np.minimum(share, 1 - share)
    excess = np.where(counted, cosines - (settings.same_cosine - loss), 0).sum(axis=1)
    pairs = counted.sum(axis=1)
    if not pairs.any():
        return NOTHING_SHARED
    margins = np.where(pairs * 2 >= pairs.max(), excess / np.maximum(pairs, 1), -np.inf)
    best = int(margins.argmax())
    mean = np.where(counted, cosines, 0).sum(axis=1)[best] / pairs[best]
    return Agreement(float(mean), float(margins[best]))


def _cosines(
    a: Alignment,
    b: Alignment,
    left: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    right: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    share: Floats,
) -> Floats:
    similarity = a.vectors @ b.vectors[b.present].T  # [M of a, M of b]
    between = np.append(np.einsum("md,md->m", a.vectors[:-1], a.vectors[1:]), 1.0).astype(np.float32)
    column = np.arange(similarity.shape[1])
    share = np.clip(share, 0, 1)
    return interpolated_cosine(
        similarity[left, column],
        similarity[right, column],
        (1 - share) * a.present[left],
        share * a.present[right],
        between[left],
    )
