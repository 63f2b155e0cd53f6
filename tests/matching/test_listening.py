"""A clip that grows: when it is answered, and that it never is without reason."""

from dataclasses import replace

import numpy as np
import pytest

from serve.matching import Listening, MatcherSettings
from tests.matching.world import WORLD, Clip, Shelf, Song, clip, rank

SONGS = {number: Song.draw(number, 40.0) for number in range(1, 9)}
LOOK = 8  # embeddings from one look to the next


def so_far(query: Clip, heard: int) -> Clip:
    return replace(query, vectors=query.vectors[:heard], audible=query.audible[:heard])


def looks(query: Clip) -> range:
    return range(LOOK, len(query.vectors) + 1, LOOK)


def test_a_clear_clip_is_answered_early_and_rightly() -> None:
    """After two agreeing looks, long before the clip ends; each embedding was searched once at most."""
    shelf, query = Shelf(SONGS), clip(SONGS[4], 12.0, 12.0, cosine=0.8)
    listening = Listening(shelf.catalogue(), calibration=WORLD)
    for heard in looks(query):
        verdict = listening.hear(so_far(query, heard))
        if verdict.enough:
            break
    assert verdict.enough
    assert verdict.heard_s < 6
    assert verdict.matches[0].recording_id == 4
    assert verdict.matches[0].offset_s == pytest.approx(12.0, abs=0.1)
    assert shelf.searched <= heard


def test_unknown_music_is_never_enough() -> None:
    """However long it goes on."""
    query = clip(Song.draw(777, 40.0), 5.0, 20.0)
    listening = Listening(Shelf(SONGS).catalogue(), calibration=WORLD)
    assert not any(listening.hear(so_far(query, heard)).enough for heard in looks(query))


def test_looks_that_disagree_start_anew() -> None:
    """A clip that goes over to another song needs that song twice, too."""
    first, second = (clip(SONGS[number], 10.0, 3.1, cosine=0.9) for number in (2, 5))
    listening = Listening(Shelf(SONGS).catalogue(), calibration=WORLD, settings=MatcherSettings(agreeing_looks=2))
    assert not listening.hear(first).enough
    assert not Listening(Shelf(SONGS).catalogue(), calibration=WORLD).hear(second).enough
    assert listening.hear(first).enough


def test_all_heard_is_what_the_matcher_would_say() -> None:
    """At the end of a clip the verdict names the place that a single look at the whole names."""
    query = clip(SONGS[3], 8.0, 6.0, cosine=0.6)
    listening = Listening(Shelf(SONGS).catalogue(), calibration=WORLD)
    for heard in (*looks(query), len(query.vectors)):
        verdict = listening.hear(so_far(query, heard))
    whole = rank(query, Shelf(SONGS).catalogue()).matches[0]
    assert verdict.matches[0].recording_id == whole.recording_id == 3
    assert verdict.matches[0].offset_s == pytest.approx(whole.offset_s, abs=0.1)


def test_silence_is_waited_out() -> None:
    """A clip that begins with silence has no matches and no verdict, and is answered when the music starts."""
    query = clip(SONGS[6], 4.0, 8.0, cosine=0.9).silent(0, 24)
    listening = Listening(Shelf(SONGS).catalogue(), calibration=WORLD)
    assert listening.hear(so_far(query, 24)).matches == ()
    verdicts = [listening.hear(so_far(query, heard)) for heard in looks(query) if heard > 24]
    assert verdicts[-1].enough
    assert verdicts[-1].matches[0].recording_id == 6


def test_nothing_heard_yet() -> None:
    """A clip of no embeddings is no error."""
    none = Clip(np.empty((0, 48), np.float32), np.empty(0, np.bool_))
    assert Listening(Shelf(SONGS).catalogue(), calibration=WORLD).hear(none).matches == ()
