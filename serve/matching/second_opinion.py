"""The clip heard again where a line says that a recording's spectral peaks must be.

Noise that hides a second of music from the encoder seldom hides all of its peaks, so the two err independently. Every
line is tried at small moves in time and at shifts in pitch; the pitch of the clip over the recording comes with it.

Letters: C lines, M stored segments of a line, P peaks of a line, H moves, K shifts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ingest.fingerprint.grid import SEGMENT_HOP_S
from ingest.fingerprint.peaks import NO_PEAK, STEP, Salience, split_peaks
from serve.matching.contract import Bools, Floats, Ints, Peaks
from serve.matching.settings import MatcherSettings
from serve.matching.voting import Doubles

LEAST, MOST = -1.0, 2.5  # deviations that one peak counts at least and at most


@dataclass(frozen=True)
class Evidence:
    """What the clip's salience says of C lines."""

    agreement: Floats  # [C], mean salience at the recording's peaks, in deviations, shrunk for few peaks
    peaks: Ints  # [C], that lie within the clip
    moved_s: Floats  # [C], by which the line is best moved on the recording
    semitones: Floats  # [C], of the reading over the recording


@dataclass(frozen=True)
class Constellation:
    """The peaks of C lines."""

    times_s: Doubles  # [C, P], on the recording
    bands: Ints  # [C, P]
    present: Bools  # [C, P]


def constellation(segments: Ints, peaks: Peaks, frame_s: float) -> Constellation:
    """Peaks [C, M, peaks a segment] of the segments [C, M]."""
    present = peaks != NO_PEAK
    frames, bands = split_peaks(np.where(present, peaks, 0))
    times_s = segments[..., None] * SEGMENT_HOP_S + (frames + 0.5) * frame_s
    flat = (len(peaks), -1)
    return Constellation(
        times_s.reshape(flat),
        bands.reshape(flat).astype(np.int64),
        present.reshape(flat),
    )


def listen(
    salience: Salience, stars: Constellation, offsets_s: Doubles, slopes: Floats, settings: MatcherSettings
) -> Evidence:
    """The best move and shift of every line; a moment u of the reading is the recording's offset + slope · u."""
    frames, bands = salience.own().shape
    moves_s = _around_zero(settings.peak_window_s, salience.frame_s)
    reach = round(settings.max_semitones * salience.semitone_bands)
    shifts = np.arange(-reach, reach + 1)

    u_s = (stars.times_s[..., None] - offsets_s[:, None, None] - moves_s) / slopes[:, None, None]  # [C, P, H]
    at = np.rint(u_s / salience.frame_s - 0.5).astype(np.int64)
    inside = stars.present[..., None] & (at >= 0) & (at < frames)
    width = bands + 2 * reach
    # A frame of silence at the end stands for all that lies outside the clip, `reach` silent bands on either side.
    at = np.where(inside, at, frames) * width + stars.bands[..., None]
    heard = np.zeros((frames + 1, width), np.int16)
    heard[:frames, reach : reach + bands] = np.clip(salience.own(), round(LEAST / STEP), round(MOST / STEP))

    rows = np.ascontiguousarray(sliding_window_view(heard.ravel(), len(shifts)))  # taken from in half the time
    shifted = rows.take(at, axis=0)  # [C, P, H, K]
    totals = shifted.sum(axis=1, dtype=np.int32)
    counts = inside.sum(axis=1)  # [C, H]
    agreement = totals * STEP / (counts[..., None] + settings.prior_peaks)
    semitones = (shifts / max(salience.semitone_bands, 1e-6)).astype(np.float32)
    cost = _pitch_cost(semitones, slopes, settings)[:, None, :]
    best = (agreement - cost).reshape(len(agreement), -1).argmax(axis=1)
    move, shift = np.divmod(best, len(shifts))
    line = np.arange(len(agreement))
    return Evidence(
        agreement=agreement[line, move, shift].astype(np.float32),
        peaks=counts[line, move],
        moved_s=moves_s[move],
        semitones=semitones[shift],
    )


def _pitch_cost(semitones: Floats, slopes: Floats, settings: MatcherSettings) -> Floats:
    """[C, K]: a clip's pitch is the recording's, or has gone with its speed, rather than any other."""
    played_s = 12 * np.log2(slopes)[:, None]
    away = np.minimum(np.abs(semitones), np.abs(semitones - played_s))
    return np.asarray(settings.pitch_cost * away, np.float32)


def _around_zero(reach: float, step: float) -> Floats:
    """Multiples of a step, smallest first: among equals the nearest is taken."""
    count = round(reach / step)
    numbers = np.arange(-count, count + 1)
    return (numbers[np.argsort(np.abs(numbers), kind="stable")] * step).astype(np.float32)
