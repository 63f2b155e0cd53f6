"""The matcher as its callers see it, clip by clip."""

import numpy as np
import pytest

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching import Catalogue, MatcherSettings
from tests.matching.world import DIM, STEP_S, Clip, Floats, Found, Ints, Shelf, Song, Stored, clip, identify, rank, unit

SONGS = {number: Song.draw(number, 40.0) for number in range(1, 13)}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(SONGS)


@pytest.mark.parametrize("speed", [0.82, 0.9, 0.96, 1.0, 1.03, 1.1, 1.23])
@pytest.mark.parametrize("cosine", [1.0, 0.5])
def test_offset_and_speed(shelf: Shelf, speed: float, cosine: float) -> None:
    """A ten-second clip at any speed is placed within a tenth of a second, and its speed within 1.5 %."""
    match = identify(clip(SONGS[7], 11.3, 10.0, speed=speed, cosine=cosine), shelf.catalogue())[0]
    assert match.recording_id == 7
    assert match.offset_s == pytest.approx(11.3, abs=0.1)
    assert match.speed == pytest.approx(speed, rel=0.015)
    assert match.pitch_semitones == 0.0
    assert match.aligned_s == pytest.approx(10.0, abs=0.7)


def test_score_is_the_mean_cosine(shelf: Shelf) -> None:
    """A clip at cosine 0.7 of the recording scores 0.7, a clean one 1."""
    scores = [identify(clip(SONGS[3], 5.0, 8.0, cosine=c), shelf.catalogue())[0].score for c in (0.7, 1.0)]
    assert scores == pytest.approx([0.7, 1.0], abs=0.02)


@pytest.mark.parametrize("offset_s", [0.0, 0.064, 8.33, 38.5])
def test_a_second_is_enough_when_clean(shelf: Shelf, offset_s: float) -> None:
    """A clip of one second is found, and all of it is searched at once."""
    query = clip(SONGS[5], offset_s, 1.0)
    match = identify(query, shelf.catalogue())[0]
    assert match.recording_id == 5
    assert match.offset_s == pytest.approx(offset_s, abs=0.25)
    assert shelf.searched == len(query.vectors)


def test_a_clip_that_begins_before_the_recording(shelf: Shelf) -> None:
    """The offset is negative where the clip began with something else, and only the rest is aligned."""
    match = identify(clip(SONGS[2], -4.0, 10.0, cosine=0.8), shelf.catalogue())[0]
    assert (match.recording_id, match.offset_s) == (2, pytest.approx(-4.0, abs=0.15))
    assert match.aligned_s == pytest.approx(6.0, abs=0.7)
    assert match.features.coverage == pytest.approx(0.6, abs=0.08)


def test_a_clip_that_outlasts_the_recording() -> None:
    """A clip with a whole short recording in its middle is matched to it."""
    songs = {**SONGS, 50: Song.draw(50, 5.0)}
    match = identify(clip(songs[50], -3.0, 12.0, cosine=0.9), Shelf(songs).catalogue())[0]
    assert (match.recording_id, match.offset_s) == (50, pytest.approx(-3.0, abs=0.2))


def test_silence_is_no_evidence() -> None:
    """Silent gaps in clip and recording, with nonsense in their place, change neither answer nor score."""
    shelf = Shelf(SONGS, silent={4: range(33, 37)})
    query = clip(SONGS[4], 12.0, 10.0, cosine=0.7).silent(10, 25)
    match = identify(query, shelf.catalogue())[0]
    assert (match.recording_id, match.offset_s) == (4, pytest.approx(12.0, abs=0.1))
    assert match.score == pytest.approx(0.7, abs=0.03)
    assert match.aligned_s == pytest.approx(10 - 15 * EMBEDDING_HOP_S - 4 * SEGMENT_HOP_S, abs=0.7)
    assert match.features.audible == pytest.approx(1 - 15 / 78)
    assert shelf.searched <= 78 - 15


@pytest.mark.parametrize("length_s", [1.0, 2.0, 5.0, 10.0])
def test_unknown_music_is_answered_with_nothing(shelf: Shelf, length_s: float) -> None:
    """Clips of recordings that are not in the catalogue match none, though candidates are ranked."""
    for seed in range(5):
        query = clip(Song.draw(700 + seed, 20.0), 4.0, length_s)
        assert identify(query, shelf.catalogue()) == []
        assert rank(query, shelf.catalogue()).matches


def test_threshold_and_limit(shelf: Shelf) -> None:
    """A caller's threshold replaces the calibrated one, and no more than `limit` come back, best first."""
    query = clip(SONGS[1], 3.0, 4.0, cosine=0.6)
    assert identify(query, shelf.catalogue(), threshold=1.0) == []
    everything = identify(query, shelf.catalogue(), threshold=0.0, limit=3)
    assert len(everything) == 3
    assert everything[0].recording_id == 1
    assert everything[0].confidence > everything[1].confidence


def test_a_quarter_is_searched_when_that_decides(shelf: Shelf) -> None:
    """A clean clip costs a quarter of its embeddings, a noisy one all, and none is searched twice."""
    clean, noisy = (clip(SONGS[9], 20.0, 10.0, cosine=c, seed=1) for c in (1.0, 0.3))
    assert rank(clean, shelf.catalogue()).searched == shelf.searched == 19
    assert rank(noisy, shelf.catalogue()).searched == shelf.searched - 19 == 78


def test_unpublished_recordings_do_not_count() -> None:
    """A hidden copy is neither answered nor listed, and does not weaken the lead of the published one."""
    songs = {**SONGS, 40: SONGS[6]}
    query = clip(SONGS[6], 10.0, 6.0, cosine=0.7)
    seen = identify(query, Shelf(songs, hidden=[40]).catalogue())[0]
    alone = identify(query, Shelf(SONGS).catalogue())[0]
    assert seen == alone
    assert identify(query, Shelf(SONGS, hidden=[6]).catalogue()) == []


def test_more_hidden_recordings_than_are_considered() -> None:
    """However many hidden recordings get more votes, the published one is reached."""
    songs = {**SONGS, **dict.fromkeys(range(100, 112), SONGS[8])}
    shelf = Shelf(songs, hidden=range(100, 112))
    match = identify(clip(SONGS[8], 9.0, 6.0), shelf.catalogue(), settings=MatcherSettings(considered=3))[0]
    assert match.recording_id == 8


def test_nothing_to_hear() -> None:
    """A silent clip and a clip without embeddings search nothing and match nothing."""
    shelf = Shelf(SONGS)
    silent = clip(SONGS[1], 3.0, 4.0).silent(0, 31)
    empty = Clip(np.empty((0, DIM), np.float32), np.empty(0, np.bool_))
    for query in (silent, empty):
        assert rank(query, shelf.catalogue()).matches == ()
    assert shelf.searched == 0


def test_an_empty_catalogue_matches_nothing() -> None:
    """Hits that are padding alone are no hits."""
    assert rank(clip(SONGS[1], 3.0, 4.0), Shelf({}).catalogue()).matches == ()


def test_one_embedding_is_a_clip(shelf: Shelf) -> None:
    """The shortest clip of all, one embedding on top of a stored one, is found."""
    match = rank(clip(SONGS[3], 0.0, EMBEDDING_HOP_S), shelf.catalogue()).matches[0]
    assert (match.recording_id, match.score) == (3, pytest.approx(1.0, abs=0.02))


def test_embeddings_that_vanish_between_search_and_fetch(shelf: Shelf) -> None:
    """Recordings deleted after the search, of which nothing can be fetched, are no matches."""

    catalogue = Catalogue(shelf.search, lambda keys: shelf.fetch(keys[:0]), shelf.published)
    assert rank(clip(SONGS[3], 3.0, 4.0), catalogue).matches == ()


def test_duplicated_keys_change_nothing(shelf: Shelf) -> None:
    """A store that gives every hit and every fetched row twice gets the same answer."""

    def search(queries: Floats, k: int) -> Found:
        hits = shelf.search(queries, k)
        return Found(np.repeat(hits.keys, 2, axis=1), np.repeat(hits.scores, 2, axis=1))

    def fetch(keys: Ints) -> Stored:
        found = shelf.fetch(keys)
        return found.of(np.tile(np.arange(len(found.keys)), 2)[::-1])

    query = clip(SONGS[10], 3.0, 5.0, cosine=0.6)
    assert rank(query, Catalogue(search, fetch, shelf.published)) == rank(query, shelf.catalogue())


def test_a_long_clip_is_searched_within_the_limit() -> None:
    """Of a clip longer than `max_searched` only so many embeddings are searched, spread over it."""
    song = Song.draw(60, 120.0)
    shelf = Shelf({**SONGS, 60: song})
    ranking = rank(clip(song, 5.0, 90.0, cosine=0.35), shelf.catalogue(), settings=MatcherSettings(max_searched=100))
    assert ranking.searched <= 100
    assert ranking.matches[0].recording_id == 60
    assert ranking.matches[0].offset_s == pytest.approx(5.0, abs=0.15)


def test_an_encoder_that_is_centred_anywhere() -> None:
    """Where all embeddings share a direction, cosine 0.45 with each other, the contrast is what a clip has above that.

    Clips of a second, on which one or two stored embeddings lie, are still placed.
    """
    common = np.eye(DIM, dtype=np.float32)[0]
    songs = {number: Song(unit(song.walk + common), song.duration_s) for number, song in SONGS.items()}
    shelf = Shelf(songs)
    for offset_s in np.arange(1.0, 30.0, 1.7):
        match = rank(clip(songs[6], offset_s, 0.77, cosine=0.9, seed=int(offset_s)), shelf.catalogue()).matches[0]
        assert (match.recording_id, match.offset_s) == (6, pytest.approx(offset_s, abs=0.3))
        assert match.features.contrast == pytest.approx(match.score - 0.45, abs=0.15)


def test_a_passage_that_nearly_repeats_is_searched_whole() -> None:
    """A quarter names the song but not which of two like places: then all is searched. Elsewhere a quarter suffices."""
    walk = Song.draw(50, 40.0).walk
    first, second = (slice(round(start_s / STEP_S), round((start_s + 12) / STEP_S)) for start_s in (5.0, 22.0))
    changed = walk.copy()
    changed[second] = unit(0.9 * walk[first] + np.sqrt(1 - 0.9**2) * walk[second])
    songs = {**SONGS, 50: Song(changed, 40.0)}
    query = clip(songs[50], 23.0, 10.0, cosine=0.8)
    found = rank(query, Shelf(songs).catalogue())
    assert found.searched == len(query.vectors)
    assert found.matches[0].recording_id == 50
    assert found.matches[0].offset_s == pytest.approx(23.0, abs=0.1)
    assert rank(clip(SONGS[3], 23.0, 10.0, cosine=0.8), Shelf(songs).catalogue()).searched < len(query.vectors) / 2
