"""Spectral peaks: what still stands out of a spectrogram when noise covers most of it, kept beside the vectors.

A peak is a moment and band louder than its neighbours (Wang, 2003). The catalogue keeps the PEAKS_A_SEGMENT most
salient ones of every segment. A query is not reduced to peaks: it keeps the salience of every moment and band, so that
a catalogue's peak covered by noise counts a little less instead of being lost.

Letters: L frames, F bands, n segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PEAKS_A_SEGMENT = 16
FRAME_BITS, BAND_BITS = 5, 7  # a peak is frame in the segment << BAND_BITS | band
NO_PEAK = 0xFFFF
STEP = 1 / 32  # of salience: a standard deviation of the neighbourhood is 32 steps
NEIGHBOURS = (3, 5)  # frames and bands that a peak is the most salient of
MARGIN_FRAMES = NEIGHBOURS[0] // 2  # known before and after a recording's own frames, so that windows join unseen

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Salience:
    """How far every moment and band rises above its neighbourhood.

    levels: int8 [L + 2 · MARGIN_FRAMES, F], in STEPs; 0 where it is silent.
    frame_s: from one frame to the next; frame i (after the margin) is centred on (i + 0.5) · frame_s.
    semitone_bands: bands that a semitone spans; 0 where the bands are not equally spaced in pitch.
    """

    levels: np.ndarray
    frame_s: float
    semitone_bands: float

    def own(self) -> np.ndarray:
        """The levels without the margin, int8 [L, F]."""
        return self.levels[MARGIN_FRAMES : len(self.levels) - MARGIN_FRAMES]


def peaks_of(salience: Salience, segments: np.ndarray, frames_a_segment: int) -> np.ndarray:
    """The most salient peaks of the segments, int32 [n], in order of time: uint16 [n, PEAKS_A_SEGMENT]."""
    from scipy.ndimage import maximum_filter  # takes longer to import than all that decoding needs

    levels = salience.levels
    peaked = (levels == maximum_filter(levels, NEIGHBOURS)) & (levels > 0)
    frames, bands = np.nonzero(peaked[MARGIN_FRAMES : len(levels) - MARGIN_FRAMES])
    owner, inside = np.divmod(frames, frames_a_segment)
    falling = np.lexsort((bands, frames, -salience.own()[frames, bands].astype(np.int16), owner))
    owner, code = owner[falling], (inside << BAND_BITS | bands)[falling]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    kept = place < PEAKS_A_SEGMENT
    found = np.full((-(-len(salience.own()) // frames_a_segment), PEAKS_A_SEGMENT), NO_PEAK, np.uint16)
    found[owner[kept], place[kept]] = code[kept]
    return np.asarray(np.sort(found[segments], axis=1))


def split_peaks(peaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(frame in the segment, band) of peaks; those of NO_PEAK mean nothing."""
    return peaks >> BAND_BITS & (1 << FRAME_BITS) - 1, peaks & (1 << BAND_BITS) - 1


def peaks_to_text(peaks: np.ndarray) -> list[str]:
    """Rows of peaks [n, PEAKS_A_SEGMENT] as text, two letters a peak; NO_PEAK is left out.

    >>> peaks_to_text(np.array([[0, 65, NO_PEAK]], np.uint16))
    ['AABB']
    """
    letters = np.frombuffer(LETTERS, np.uint8)
    pairs = np.stack([letters[peaks >> 6 & 63], letters[peaks & 63]], axis=-1)
    counts = (peaks != NO_PEAK).sum(axis=1)
    text = pairs[peaks != NO_PEAK].tobytes().decode("ascii")
    ends = np.cumsum(2 * counts).tolist()
    return [text[end - 2 * count : end] for end, count in zip(ends, counts.tolist(), strict=True)]


def peaks_from_text(rows: Sequence[str]) -> np.ndarray:
    """The inverse of `peaks_to_text`: uint16 [n, PEAKS_A_SEGMENT]. Raises ValueError for what it does not write.

    >>> peaks_from_text(["AABB"])[0, :3].tolist() == [0, 65, NO_PEAK]
    True
    """
    try:
        padded = b"".join(row.encode("ascii").ljust(2 * PEAKS_A_SEGMENT) for row in rows)
        codes = _VALUES[np.frombuffer(padded, np.uint8).reshape(len(rows), PEAKS_A_SEGMENT, 2)]
    except (UnicodeEncodeError, ValueError) as error:
        raise ValueError("not the text of spectral peaks") from error
    missing = codes < 0
    if (missing[..., 0] != missing[..., 1]).any() or (codes < -1).any():
        raise ValueError("not the text of spectral peaks")
    return np.asarray(np.where(missing[..., 0], NO_PEAK, codes[..., 0] << 6 | codes[..., 1]).astype(np.uint16))


def _letter_values() -> np.ndarray:
    values = np.full(256, -2, np.int32)
    values[np.frombuffer(LETTERS, np.uint8)] = np.arange(len(LETTERS))
    values[ord(" ")] = -1
    return values


_VALUES = _letter_values()
