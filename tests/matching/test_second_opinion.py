"""Spectral peaks as evidence: planted at a known place, speed and pitch, and found there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from ingest.fingerprint.peaks import MARGIN_FRAMES, NO_PEAK, PEAKS_A_SEGMENT, Salience
from serve.matching import MatcherSettings
from serve.matching.second_opinion import Evidence, constellation, listen
from tests.matching.world import BANDS, FRAME_S, SEMITONE_BANDS, Shelf, Song, clip, rank, unit

SETTINGS = MatcherSettings()
SEGMENTS = 30
FRAMES_A_SEGMENT = round(SEGMENT_HOP_S / FRAME_S)


def drawn_peaks(seed: int, segments: int = SEGMENTS) -> np.ndarray:
    """Peaks [segments, PEAKS_A_SEGMENT] of a recording, anywhere."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, FRAMES_A_SEGMENT, (segments, PEAKS_A_SEGMENT))
    bands = rng.integers(10, BANDS - 10, (segments, PEAKS_A_SEGMENT))
    return (frames << 7 | bands).astype(np.uint16)


def heard(
    peaks: np.ndarray, offset_s: float, clip_s: float, *, speed: float = 1.0, semitones: float = 0.0, share: float = 1.0
) -> Salience:
    """What a clip of the recording lets hear: two deviations at that share of its peaks, nothing between."""
    frames = round(clip_s / FRAME_S)
    levels = np.zeros((frames + 2 * MARGIN_FRAMES, BANDS), np.int8)
    rng = np.random.default_rng(9)
    for segment, row in enumerate(peaks.tolist()):
        for code in row:
            time_s = segment * SEGMENT_HOP_S + ((code >> 7) + 0.5) * FRAME_S
            frame = round((time_s - offset_s) / speed / FRAME_S - 0.5)
            band = (code & 127) + round(semitones * SEMITONE_BANDS)
            if 0 <= frame < frames and rng.random() < share:
                levels[frame + MARGIN_FRAMES, band] = 64
    return Salience(levels, FRAME_S, SEMITONE_BANDS)


def evidence(salience: Salience, peaks: np.ndarray, offset_s: float, speed: float = 1.0) -> Evidence:
    """Of one line."""
    segments = np.arange(len(peaks))[None]
    stars = constellation(segments, peaks[None], salience.frame_s)
    return listen(salience, stars, np.array([offset_s]), np.array([speed], np.float32), SETTINGS)


@pytest.mark.parametrize("semitones", [-3.0, -1.0, 0.0, 2.5])
@pytest.mark.parametrize("speed", [0.9, 1.0, 1.2])
def test_pitch_and_place_are_found(semitones: float, speed: float) -> None:
    """A line that is 64 ms off is moved back, and the pitch of the clip comes out, whatever its speed."""
    peaks = drawn_peaks(1)
    found = evidence(heard(peaks, 3.0, 5.0, speed=speed, semitones=semitones), peaks, 3.0 - 2 * FRAME_S, speed)
    assert found.semitones[0] == pytest.approx(semitones, abs=0.25)
    assert found.moved_s[0] == pytest.approx(2 * FRAME_S, abs=FRAME_S)
    assert found.agreement[0] > 1.3


def test_agreement_counts_peaks_by_hand() -> None:
    """The mean of two deviations over the peaks inside the clip and the prior's; none of them missing."""
    peaks = drawn_peaks(2)
    found = evidence(heard(peaks, 2.0 * SEGMENT_HOP_S, 4 * SEGMENT_HOP_S), peaks, 2.0 * SEGMENT_HOP_S)
    inside = 4 * PEAKS_A_SEGMENT
    assert found.peaks[0] == inside
    assert found.agreement[0] == pytest.approx(2.0 * inside / (inside + SETTINGS.prior_peaks))


@given(st.integers(0, 1000))
def test_another_recording_agrees_less(seed: int) -> None:
    """Though it may choose its best place and pitch, and though noise hides half of the peaks of the right one."""
    peaks = drawn_peaks(3)
    salience = heard(peaks, 3.0, 5.0, share=0.5)
    right, wrong = evidence(salience, peaks, 3.0), evidence(salience, drawn_peaks(10_000 + seed), 3.0)
    assert right.agreement[0] > 2 * wrong.agreement[0]


def test_what_has_no_peaks_says_nothing() -> None:
    """Rows without peaks, and a clip without salience, are no evidence in either direction."""
    silent = np.full((SEGMENTS, PEAKS_A_SEGMENT), NO_PEAK, np.uint16)
    assert evidence(heard(drawn_peaks(4), 3.0, 5.0), silent, 3.0).agreement[0] == 0
    mute = Salience(np.zeros((100, BANDS), np.int8), FRAME_S, SEMITONE_BANDS)
    assert evidence(mute, drawn_peaks(4), 3.0).agreement[0] == 0


def test_bands_that_are_not_of_equal_pitch_are_not_shifted() -> None:
    """Where a semitone is no fixed number of bands, peaks are looked for at their own pitch alone."""
    peaks = drawn_peaks(5)
    salience = Salience(heard(peaks, 3.0, 5.0).levels, FRAME_S, 0.0)
    found = evidence(salience, peaks, 3.0)
    assert found.semitones[0] == 0
    assert found.agreement[0] > 1.3


def test_peaks_lift_the_right_recording_above_a_likelier_one() -> None:
    """The embeddings speak for one song and the peaks for another: the one that the peaks confirm comes first."""
    songs = {n: Song.draw(n, 40.0) for n in (1, 2)}
    stored = {n: drawn_peaks(n, len(song.stored())) for n, song in songs.items()}
    query = clip(songs[1], 10.0, 5.0, cosine=0.5)
    other = clip(songs[2], 10.0, 5.0, cosine=0.6)
    mixed = replace(query, vectors=unit(query.vectors + other.vectors))
    frames = len(mixed.vectors) * round(EMBEDDING_HOP_S / FRAME_S)
    levels = heard(stored[1], 10.0, frames * FRAME_S).levels
    shelf = Shelf(songs, peaks=stored).catalogue()
    assert rank(mixed, shelf).matches[0].recording_id == 2
    best = rank(replace(mixed, levels=levels), shelf).matches[0]
    assert best.recording_id == 1
    assert best.features.agreement > 1.0
