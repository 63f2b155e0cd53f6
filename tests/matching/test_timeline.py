"""A long recording: what is told of it, and that nothing is told that was not there."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching.timeline import Segment, Timeline, TimelineSettings
from tests.matching.world import WORLD, Clip, Shelf, Song, clip, unit

SONGS = {number: Song.draw(number, 100.0) for number in range(1, 9)}
SETTINGS = TimelineSettings()


def after(*clips: Clip) -> Clip:
    """One after the other."""
    return Clip(np.concatenate([one.vectors for one in clips]), np.concatenate([one.audible for one in clips]))


def unknown(length_s: float, seed: int = 0) -> Clip:
    return clip(Song.draw(7_000 + seed, length_s + 1), 0.0, length_s)


def faded(first: Clip, second: Clip, fade_s: float) -> Clip:
    """The second over the end of the first: both at once, the one going as the other comes."""
    count = round(fade_s / EMBEDDING_HOP_S)
    rising = ((np.arange(count) + 0.5) / count)[:, None]
    between = unit((1 - rising) * first.vectors[-count:] + rising * second.vectors[:count])
    return after(
        Clip(first.vectors[:-count], first.audible[:-count]),
        Clip(between, np.ones(count, np.bool_)),
        Clip(second.vectors[count:], second.audible[count:]),
    )


def told(heard: Clip, shelf: Shelf, *, pieces: int = 1 << 20) -> list[Segment]:
    """All segments, heard in pieces of so many embeddings."""
    timeline = Timeline(shelf.catalogue(), calibration=WORLD, settings=SETTINGS)
    found: list[Segment] = []
    for start in range(0, len(heard.vectors), pieces):
        own = slice(start, start + pieces)
        found += timeline.hear(Clip(heard.vectors[own], heard.audible[own]))
    return found + timeline.end()


def check(segment: Segment, recording: int, start_s: float, end_s: float, offset_s: float, speed: float = 1.0) -> None:
    """The segment is of this recording, between these times, from this place of the track on."""
    assert segment.recording_id == recording
    assert segment.start_s == pytest.approx(start_s, abs=1.0)
    assert segment.end_s == pytest.approx(end_s, abs=1.0)
    assert segment.track_start_s == pytest.approx(offset_s + speed * (segment.start_s - start_s), abs=0.4)
    assert segment.track_end_s == pytest.approx(offset_s + speed * (segment.end_s - start_s), abs=0.4)
    assert segment.speed == pytest.approx(speed, abs=0.015)
    assert segment.confidence > (0.9 if end_s - start_s > 20 else 0.5)


def test_two_songs_around_an_unknown_one() -> None:
    """Each is told with its times in the recording and in the track, and the unknown one is not."""
    heard = after(clip(SONGS[1], 20.0, 50.0, cosine=0.7), unknown(30.0), clip(SONGS[2], 5.0, 60.0, cosine=0.6))
    first, second = told(heard, Shelf(SONGS))
    check(first, 1, 0.0, 50.0, 20.0)
    check(second, 2, 80.0, 140.0, 5.0)
    assert first.score == pytest.approx(0.7, abs=0.05)
    assert first.alternatives == first.same_recording == ()


def test_nothing_is_told_of_what_is_not_known() -> None:
    """Five minutes of unknown music, silence, and nothing at all give no segment."""
    assert told(unknown(300.0), Shelf(SONGS)) == []
    assert told(clip(SONGS[1], 0.0, 40.0).silent(0, 1000), Shelf(SONGS)) == []
    assert told(Clip(np.empty((0, 48), np.float32), np.empty(0, np.bool_)), Shelf(SONGS)) == []
    assert told(clip(SONGS[1], 0.0, 40.0), Shelf({})) == []


@pytest.mark.parametrize("speed", [0.9, 0.97, 1.04, 1.12])
def test_a_song_at_another_speed(speed: float) -> None:
    """Is followed on its slope from its first moment to its last."""
    heard = after(unknown(12.0), clip(SONGS[3], 2.0, 70.0, speed=speed, cosine=0.7), unknown(12.0, 1))
    (segment,) = told(heard, Shelf(SONGS))
    check(segment, 3, 12.0, 82.0, 2.0, speed)


def test_a_speed_that_drifts() -> None:
    """A turntable that gets faster by two percent in a minute is one segment."""
    times_s = (np.arange(round(60 / EMBEDDING_HOP_S)) + 0.5) * EMBEDDING_HOP_S
    track_s = 10 + times_s * (1 + 0.01 * times_s / 60)
    heard = Clip(SONGS[4].at(track_s), np.ones(len(times_s), np.bool_))
    (segment,) = told(heard, Shelf(SONGS))
    assert segment.track_end_s == pytest.approx(10 + 60 * 1.01, abs=0.4)
    assert segment.speed == pytest.approx(1.01, abs=0.008)


def test_a_passage_that_is_talked_over_is_bridged() -> None:
    """Ten seconds in which nothing of the song is left do not end it, when it goes on where it would be by then."""
    whole, talk = clip(SONGS[5], 10.0, 80.0, cosine=0.7), unknown(10.0)
    start, end = round(30 / EMBEDDING_HOP_S), round(30 / EMBEDDING_HOP_S) + len(talk.vectors)
    vectors = whole.vectors.copy()
    vectors[start:end] = talk.vectors
    (segment,) = told(Clip(vectors, whole.audible), Shelf(SONGS))
    check(segment, 5, 0.0, 80.0, 10.0)


def test_a_song_that_is_taken_up_elsewhere_is_told_twice() -> None:
    """After a long gap, or at another place, a new segment begins."""
    gap = after(clip(SONGS[5], 0.0, 40.0), unknown(35.0), clip(SONGS[5], 50.0, 40.0))
    jump = after(clip(SONGS[5], 0.0, 40.0), clip(SONGS[5], 60.0, 30.0))
    for heard, start_s, offset_s in ((gap, 75.0, 50.0), (jump, 40.0, 60.0)):
        first, second = told(heard, Shelf(SONGS))
        check(first, 5, 0.0, 40.0, 0.0)
        check(second, 5, start_s, len(heard.vectors) * EMBEDDING_HOP_S, offset_s)


def test_the_same_song_twice_in_a_row() -> None:
    """Is two segments, each from its beginning."""
    first, second = told(after(*(clip(SONGS[6], 0.0, 99.0, cosine=0.8),) * 2), Shelf(SONGS))
    check(first, 6, 0.0, 99.0, 0.0)
    check(second, 6, 99.0, 198.0, 0.0)


@pytest.mark.parametrize("fade_s", [2.0, 4.0, 12.0])
def test_a_crossfade_parts_two_songs(fade_s: float) -> None:
    """They meet in the middle of the fade, and overlap by no more than allowed."""
    heard = faded(clip(SONGS[1], 30.0, 50.0), clip(SONGS[7], 0.0, 60.0), fade_s)
    first, second = told(heard, Shelf(SONGS))
    assert (first.recording_id, second.recording_id) == (1, 7)
    middle_s = 50 - fade_s / 2
    assert (first.end_s + second.start_s) / 2 == pytest.approx(middle_s, abs=1.0)
    assert -1.0 <= first.end_s - second.start_s <= SETTINGS.crossfade_s


def test_a_jingle_inside_a_song_has_its_own_time() -> None:
    """A song that is not heard while another is gives that time away, and goes on behind it."""
    song = clip(SONGS[1], 10.0, 80.0)
    jingle = clip(SONGS[8], 40.0, 12.0)
    start = round(35 / EMBEDDING_HOP_S)
    vectors = song.vectors.copy()
    vectors[start : start + len(jingle.vectors)] = jingle.vectors
    segments = told(Clip(vectors, song.audible), Shelf(SONGS))
    assert [segment.recording_id for segment in segments] == [1, 8, 1]
    check(segments[1], 8, 35.0, 47.0, 40.0)
    check(segments[2], 1, 47.0, 80.0, 57.0)


def test_copies_are_one_segment() -> None:
    """Of recordings with the same content the lowest track is told, and the others with it."""
    shelf = Shelf({**SONGS, 20: SONGS[2], 21: SONGS[2]})
    (segment,) = told(after(unknown(10.0), clip(SONGS[2], 5.0, 60.0, cosine=0.7)), shelf)
    check(segment, 2, 10.0, 70.0, 5.0)
    assert segment.same_recording == (20, 21)
    shelf.track_ids = {21: 1}
    (segment,) = told(clip(SONGS[2], 5.0, 60.0, cosine=0.7), shelf)
    assert segment.recording_id == 21


def test_an_excerpt_does_not_stand_for_the_whole() -> None:
    """Where a shorter recording has the same beginning, the one that goes on is told, in one piece."""
    short = Song(SONGS[3].walk[: len(SONGS[3].walk) * 4 // 10], 40.0)
    (segment,) = told(clip(SONGS[3], 0.0, 95.0, cosine=0.8), Shelf({**SONGS, 0: short}))
    check(segment, 3, 0.0, 95.0, 0.0)


def test_another_mix_is_an_alternative() -> None:
    """A recording that is alike, and less so than the one that is heard, is told beside it."""
    mix = Song(unit(0.75 * SONGS[4].walk + 0.66 * Song.draw(404, 100.0).walk), 100.0)
    (segment,) = told(clip(SONGS[4], 10.0, 60.0), Shelf({**SONGS, 44: mix}))
    check(segment, 4, 0.0, 60.0, 10.0)
    assert 44 not in segment.same_recording
    assert {sound.recording_id for sound in segment.alternatives} <= {44}


def test_hidden_recordings_are_never_told() -> None:
    """Neither as a segment nor beside one."""
    shelf = Shelf({**SONGS, 20: SONGS[2]}, hidden=[2])
    (segment,) = told(clip(SONGS[2], 5.0, 40.0, cosine=0.7), shelf)
    assert (segment.recording_id, segment.same_recording) == (20, ())


def test_what_a_line_explains_is_not_searched() -> None:
    """Of a long song that is clear, only the beginning and the end are searched, a quarter of them."""
    shelf = Shelf({1: Song.draw(1, 400.0)})
    heard = clip(Song.draw(1, 400.0), 0.0, 390.0, cosine=0.8)
    assert len(told(heard, shelf)) == 1
    assert shelf.searched < len(heard.vectors) / 20


def test_segments_come_before_the_end() -> None:
    """A segment is told within a minute of its end, while the recording goes on."""
    timeline = Timeline(Shelf(SONGS).catalogue(), calibration=WORLD)
    found = timeline.hear(after(clip(SONGS[1], 20.0, 40.0), unknown(60.0)))
    assert [segment.recording_id for segment in found] == [1]
    assert timeline.end() == []


def test_settings_that_contradict_each_other_are_refused() -> None:
    """Segments no longer than their overlap, and a memory shorter than what is bridged."""
    with pytest.raises(ValueError, match="overlap"):
        TimelineSettings(min_s=3.0, crossfade_s=3.0)
    with pytest.raises(ValueError, match="history_s"):
        TimelineSettings(history_s=10.0)


PIECES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 3]),  # 0: unknown
        st.floats(0.0, 60.0),
        st.floats(1.0, 40.0),
        st.floats(0.9, 1.1),
        st.sampled_from([0.35, 0.6, 0.95]),
        st.integers(0, 99),
    ),
    min_size=1,
    max_size=5,
)


def programme(pieces: Sequence[tuple[int, float, float, float, float, int]]) -> Clip:
    return after(
        *(
            clip(SONGS[number], offset_s, length_s, speed=speed, cosine=cosine, seed=seed)
            if number
            else unknown(length_s, seed)
            for number, offset_s, length_s, speed, cosine, seed in pieces
        )
    )


@settings(max_examples=15, deadline=None)
@given(pieces=PIECES, size=st.integers(1, 300))
def test_what_holds_for_every_recording(pieces: list[tuple[int, float, float, float, float, int]], size: int) -> None:
    """Segments are in order, inside the recording, long enough, overlap no more than allowed, name what was played at
    that time, and are the same however the recording was cut."""
    heard = programme(pieces)
    found = told(heard, Shelf(SONGS))
    assert found == told(heard, Shelf(SONGS), pieces=size)
    length_s = len(heard.vectors) * EMBEDDING_HOP_S
    ends_s = np.cumsum([round(piece[2] / EMBEDDING_HOP_S) for piece in pieces]) * EMBEDDING_HOP_S
    for segment in found:
        assert 0 <= segment.start_s < segment.end_s <= length_s
        assert segment.end_s - segment.start_s >= SETTINGS.min_s
        middle = int(np.searchsorted(ends_s, (segment.start_s + segment.end_s) / 2))
        assert segment.recording_id == pieces[middle][0]
    for early, late in pairwise(found):
        assert early.start_s <= late.start_s
        assert early.end_s - late.start_s <= SETTINGS.crossfade_s + 1e-9
