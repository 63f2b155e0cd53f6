"""Votes in (recording, offset, speed)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching import MatcherSettings
from serve.matching.searching import HitList
from serve.matching.voting import speed_grid, stored_centre_s, vote

SETTINGS = MatcherSettings()
CLIP_S = 78 * EMBEDDING_HOP_S


def hits_on_line(recording: int, middle_s: float, speed: float) -> HitList:
    """For every embedding of ten seconds the stored segment nearest to it on the line."""
    positions = np.arange(78)
    track_s = middle_s + speed * ((positions + 0.5) * EMBEDDING_HOP_S - CLIP_S / 2)
    segments = np.round((track_s - EMBEDDING_HOP_S / 2) / SEGMENT_HOP_S).astype(np.int64)
    return HitList(positions, np.full(78, recording), segments, np.full(78, 0.8, np.float32))


@given(st.floats(20.0, 3000.0), st.floats(0.8, 1.25))
def test_a_line_is_recovered(middle_s: float, speed: float) -> None:
    """Whatever its offset and speed, the voted line lies within the window that is refined in."""
    lines = vote(hits_on_line(7, middle_s, speed), CLIP_S, 28, SETTINGS)
    assert lines.recordings[0] == 7
    assert lines.anchors_s[0] == pytest.approx(middle_s, abs=SETTINGS.offset_window_s)
    assert np.log(lines.speeds[0]) == pytest.approx(np.log(speed), abs=lines.spacing)


@given(st.floats(0.4, 120.0))
def test_speeds_are_fine_enough(clip_s: float) -> None:
    """Between two speeds of the grid a line drifts by less than half a segment from one of them; 1 is among them."""
    speeds = speed_grid(clip_s, SETTINGS)
    assert (speeds[0], speeds[-1]) == (pytest.approx(0.8), pytest.approx(1.25))
    assert 1.0 in speeds
    assert np.diff(speeds).max(initial=0) / 2 * clip_s / 2 <= SEGMENT_HOP_S / 4 + 1e-6


def test_a_speed_may_be_the_only_one() -> None:
    """With both limits 1 the grid is that speed, and lines are still found."""
    fixed = MatcherSettings(min_speed=1.0, max_speed=1.0)
    lines = vote(hits_on_line(7, 50.0, 1.0), CLIP_S, 28, fixed)
    assert (lines.speeds[0], lines.spacing) == (1.0, 0.0)


def test_segment_geometry() -> None:
    """Segment s of a recording is centred half an embedding after s strides."""
    assert stored_centre_s(np.array([0, 2])).tolist() == pytest.approx([0.064, 1.088])
