"""Repeats inside a recording, and recordings of one content."""

import numpy as np
import pytest

from serve.matching import Match, MatcherSettings
from serve.matching.grouping import one_each
from serve.matching.rescoring import Alignment
from tests.matching.world import Shelf, Song, clip, identify, rank

SETTINGS = MatcherSettings()
SONGS = {number: Song.draw(number, 30.0) for number in range(10, 18)}


@pytest.mark.parametrize("cosine", [1.0, 0.6])
def test_the_earliest_repeat_is_reported(cosine: float) -> None:
    """A clip of a passage that comes four times is placed in its first occurrence."""
    loop = Song.draw(30, 30.0).looped(2.0, 12.8, 4)
    match = identify(clip(loop, 12.8 * 2 + 2.0, 6.0, cosine=cosine), Shelf({**SONGS, 30: loop}).catalogue())[0]
    assert (match.recording_id, match.offset_s) == (30, pytest.approx(2.0, abs=0.15))


def test_a_repeat_that_is_shorter_is_not_preferred() -> None:
    """An earlier occurrence that covers only part of the clip does not displace the whole one."""
    loop = Song.draw(31, 40.0).looped(2.0, 12.8, 3)
    match = identify(clip(loop, 8.0, 10.0, cosine=0.8), Shelf({**SONGS, 31: loop}).catalogue())[0]
    assert match.offset_s == pytest.approx(8.0, abs=0.15)


def place(offset_s: float, *, pairs: int, score: float, contrast: float, agreement: float) -> Alignment:
    """In recording 5, with nothing stored that another place could agree with."""
    strength = contrast * pairs / (pairs + SETTINGS.prior_pairs) + SETTINGS.peak_weight * agreement
    nothing = np.zeros((1, 4), np.float32)
    absent = np.zeros(1, np.bool_)
    return Alignment(
        recording_id=5, ratio=1.0, offset_s=offset_s, slope=1.0, score=score, contrast=contrast, agreement=agreement,
        peaks=90, semitones=0.0, strength=strength, pairs=pairs, coverage=1.0, first_segment=0, vectors=nothing,
        present=absent, cosines=np.zeros(1, np.float32), paired=absent,
    )  # fmt: skip


@pytest.mark.parametrize(("pairs", "placed_s"), [(6, 20.0), (2, 70.0)])
def test_places_are_told_apart_by_cosines_where_there_are_enough(pairs: int, placed_s: float) -> None:
    """One place's peaks agree better, the other's embeddings: in three seconds these decide, in one the strength."""
    by_cosines = place(20.0, pairs=pairs, score=0.78, contrast=0.45, agreement=1.08)
    by_peaks = place(70.0, pairs=pairs, score=0.66, contrast=0.35, agreement=1.30)
    assert by_peaks.strength > by_cosines.strength
    assert [one.offset_s for one in one_each([by_cosines, by_peaks], SETTINGS)] == [placed_s]


def first(songs: dict[int, Song], *, seed: int = 0, tracks: dict[int, int] | None = None) -> Match:
    """The best answer to a clip that begins 9 s into recording 12."""
    shelf = Shelf(songs)
    shelf.track_ids = tracks or {}
    return rank(clip(SONGS[12], 9.0, 6.0, cosine=0.7, seed=seed), shelf.catalogue()).matches[0]


def test_identical_recordings_are_one_answer() -> None:
    """The lowest id answers for all copies, the others are listed, and the copies cost no lead."""
    alone, together = first(SONGS), first({**SONGS, 3: SONGS[12], 90: SONGS[12]})
    assert (together.recording_id, together.same_recording) == (3, (12, 90))
    assert (alone.recording_id, alone.same_recording) == (12, ())
    assert together.features.lead == pytest.approx(alone.features.lead, abs=0.02)
    assert together.offset_s == pytest.approx(alone.offset_s, abs=0.02)


def test_the_lowest_track_answers() -> None:
    """Where a track was recorded anew, its track id decides over the recording's."""
    match = first({**SONGS, 90: SONGS[12]}, tracks={12: 7, 90: 2})
    assert (match.recording_id, match.same_recording) == (90, (12,))


@pytest.mark.parametrize("trimmed_s", [0.016, 0.128, 0.256, 0.4, 1.024, 3.3])
def test_a_copy_that_starts_later_is_the_same_recording(trimmed_s: float) -> None:
    """However a copy's grid lies on the original's, it is recognised as a copy, each with its own offset."""
    steps_s = round(trimmed_s / 0.016) * 0.016
    match = first({**SONGS, 90: SONGS[12].cut(steps_s)})
    assert (match.recording_id, match.same_recording) == (12, (90,))
    assert match.offset_s == pytest.approx(9.0, abs=0.1)
    other = first({**{k: v for k, v in SONGS.items() if k != 12}, 5: SONGS[12].cut(steps_s), 12: SONGS[12]})
    assert (other.recording_id, other.same_recording) == (5, (12,))
    assert other.offset_s == pytest.approx(9.0 - steps_s, abs=0.1)


def test_an_excerpt_does_not_stand_for_the_whole() -> None:
    """A recording that holds only the first third of the clip is neither the answer nor the same, and no doubt."""
    excerpt = Song(SONGS[12].walk[: round(11.2 / 0.016)], 11.0)
    alone, beside = first(SONGS), first({**SONGS, 2: excerpt})
    assert (beside.recording_id, beside.same_recording) == (12, ())
    assert beside.features.lead == pytest.approx(alone.features.lead, abs=0.02)


def blend(a: Song, b: Song, share: float) -> Song:
    walk = share * a.walk + np.sqrt(1 - share**2) * b.walk
    return Song((walk / np.linalg.norm(walk, axis=1, keepdims=True)).astype(np.float32), a.duration_s)


def test_another_mix_is_a_different_answer_but_no_doubt() -> None:
    """A recording that agrees at 0.9 with the best one is not listed as the same, yet leaves the lead alone."""
    mix = blend(SONGS[12], Song.draw(77, 30.0), 0.9)
    alone, beside = first(SONGS), first({**SONGS, 77: mix})
    assert beside.recording_id == 12
    assert beside.same_recording == ()
    assert beside.features.lead == pytest.approx(alone.features.lead, abs=0.02)


def test_a_recording_that_is_alike_costs_the_lead() -> None:
    """One that agrees at 0.6 only is a rival: the answer is less certain beside it."""
    rival = blend(SONGS[12], Song.draw(78, 30.0), 0.6)
    alone, beside = first(SONGS), first({**SONGS, 78: rival})
    assert beside.recording_id == 12
    assert beside.features.lead < alone.features.lead - 0.05


def test_different_recordings_are_never_grouped() -> None:
    """Of unknown clips, whose candidates all score alike, none comes as a group."""
    for seed in range(5):
        query = clip(Song.draw(500 + seed, 20.0), 4.0, 2.0)
        assert all(not match.same_recording for match in rank(query, Shelf(SONGS).catalogue()).matches)
