"""Retuned readings: when they are asked for, and how their geometry composes with the clip's."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching import Catalogue, MatcherSettings
from serve.matching.readings import Reading, look
from serve.matching.rescoring import Alignment
from tests.matching.world import Clip, Shelf, Song, clip, identify, rank

SONGS = {number: Song.draw(number, 40.0) for number in range(1, 9)}
RATIOS = [2 ** (1 / 12), 2 ** (-1 / 12), 2 ** (2 / 12)]


def raised_clip(song: Song, offset_s: float, length_s: float, speed: float, raised: float) -> Callable[[float], Clip]:
    """The readings by ratio of a clip raised so many times, which only a reading that undoes it can recognise.

    A moment u of the reading of ratio r is the clip's u / r, so it is the song's offset + speed / r · u.
    """

    def reading(ratio: float) -> Clip:
        undone = abs(12 * np.log2(ratio / raised)) < 0.2
        heard = song if undone else Song.draw(999, 60.0)
        return clip(heard, offset_s, length_s * ratio, speed=speed / ratio, cosine=0.8)

    return reading


@pytest.mark.parametrize(
    ("speed", "semitones"), [(1.0, 1.0), (1.0, -2.0), (2 ** (3 / 12), 3.0), (0.9, 2.0), (1.1, -1.0)]
)
def test_speed_and_pitch_compose(speed: float, semitones: float) -> None:
    """Clip speed, offset and pitch come out right from a reading that is itself slower or faster than the clip."""
    shelf = Shelf(SONGS)
    read = raised_clip(SONGS[3], 12.4, 8.0, speed, 2 ** (semitones / 12))
    ratios = [2 ** (s / 12) for s in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0)]
    assert identify(read(1.0), shelf.catalogue()) == []
    match = identify(read(1.0), shelf.catalogue(), variants=lambda: [(r, read(r)) for r in ratios])[0]
    assert match.recording_id == 3
    assert match.offset_s == pytest.approx(12.4, abs=0.15)
    assert match.speed == pytest.approx(speed, rel=0.02)
    assert match.pitch_semitones == pytest.approx(semitones)
    assert match.aligned_s == pytest.approx(8.0, abs=0.8)
    assert match.features.retuned == 1.0


def test_variants_are_embedded_only_while_unsure() -> None:
    """A clip recognised as it is embeds no variant; else all of them are embedded, in one go."""
    shelf = Shelf(SONGS)
    embedded: list[float] = []

    def variants(read: Callable[[float], Clip]) -> list[tuple[float, Clip]]:
        embedded.append(len(RATIOS))
        return [(ratio, read(ratio)) for ratio in RATIOS]

    plain = raised_clip(SONGS[5], 3.0, 8.0, 1.0, 1.0)
    assert rank(plain(1.0), shelf.catalogue(), variants=partial(variants, plain)).variants == 0
    assert embedded == []
    lowered = raised_clip(SONGS[5], 3.0, 8.0, 1.0, 2 ** (-1 / 12))
    ranking = rank(lowered(1.0), shelf.catalogue(), variants=partial(variants, lowered))
    assert (ranking.variants, embedded) == (len(RATIOS), [len(RATIOS)])
    assert ranking.matches[0].pitch_semitones == pytest.approx(-1.0)


def test_all_variants_are_searched_and_fetched_in_one_request() -> None:
    """An undecided clip of 8 s costs three searches and three fetches, however many variants are heard, and a quarter
    of these asks for fewer hits.
    """
    asked: list[int | str] = []
    shelf = Shelf(SONGS)
    catalogue = Catalogue(
        lambda queries, k: asked.append(k) or shelf.search(queries, k),
        lambda keys: asked.append("fetch") or shelf.fetch(keys),
        shelf.published,
    )
    readings = unknown_readings(4)
    never = MatcherSettings(promising_lead=10.0)
    rank(readings[0], catalogue, settings=never, variants=lambda: list(zip(RATIOS, readings[1:], strict=True)))
    assert asked == [never.hits, "fetch", never.hits, "fetch", never.hits_of_variant, "fetch"]


def test_variants_are_embedded_while_the_whole_clip_is_searched() -> None:
    """They are begun once a quarter has not decided, and read only when nothing of the clip is left to search."""
    happened: list[str] = []
    shelf = Shelf(SONGS)
    catalogue = Catalogue(
        lambda queries, k: happened.append("search") or shelf.search(queries, k), shelf.fetch, shelf.published
    )
    readings = unknown_readings(2)

    def variants() -> Iterator[tuple[float, Clip]]:
        happened.append("begun")
        return (happened.append("read") or one for one in [(RATIOS[0], readings[1])])

    rank(readings[0], catalogue, settings=MatcherSettings(promising_lead=10.0), variants=variants)
    assert happened == ["search", "begun", "search", "read", "search"]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 1000), st.permutations(range(3)), st.sampled_from([2.5, 8.0]), st.sampled_from([0.1, -10.0, 10.0])
)
def test_the_order_of_variants_is_irrelevant(seed: int, order: list[int], length_s: float, lead: float) -> None:
    """Heard together they give one ranking, to the last bit, whichever comes first, and whatever they promise."""
    shelf, rng = Shelf(SONGS), np.random.default_rng(seed)
    songs = [SONGS[int(number)] for number in rng.integers(1, len(SONGS), len(RATIOS) + 1)]
    places = rng.uniform(0, 25, len(songs))
    heard = [clip(song, at_s, length_s, cosine=0.4, seed=seed) for song, at_s in zip(songs, places, strict=True)]
    variants = list(zip(RATIOS, heard[1:], strict=True))
    tried = MatcherSettings(promising_lead=lead)
    rankings = [
        rank(heard[0], shelf.catalogue(), settings=tried, variants=lambda given=given: given)
        for given in (variants, [variants[n] for n in order])
    ]
    assert rankings[0] == rankings[1]


def test_a_variant_heard_among_others_is_scored_as_alone() -> None:
    """What the others search and fetch changes nothing of what is found of it."""
    shelf = Shelf(SONGS)
    readings = [clip(SONGS[number], 4.0 + number, 8.0, cosine=0.5) for number in (1, 2, 3)]
    tried = MatcherSettings()
    alone, together = ([Reading(one, ratio, tried) for ratio, one in zip(RATIOS, readings, strict=True)] for _ in "12")
    look(together, shelf.catalogue(), tried)
    for one, other in zip(alone, together, strict=True):
        look([one], shelf.catalogue(), tried)
        assert [told(place) for place in one.alignments] == [told(place) for place in other.alignments]
        assert one.tracks == other.tracks


def test_the_better_reading_of_a_recording_is_reported() -> None:
    """Where the clip as it is and a variant both find the recording, the stronger of the two gives the answer."""
    shelf = Shelf(SONGS)
    clear, faint = (clip(SONGS[2], 9.0, 6.0, cosine=cosine) for cosine in (0.8, 0.4))
    never = MatcherSettings(decisive_confidence=1.0)
    retuned = rank(faint, shelf.catalogue(), settings=never, variants=lambda: [(1.0001, clear)]).matches[0]
    assert retuned.features.retuned == 1.0
    plain = rank(clear, shelf.catalogue(), settings=never, variants=lambda: [(1.0001, faint)]).matches[0]
    assert plain.features.retuned == 0.0
    assert [m.recording_id for m in (retuned, plain)] == [2, 2]
    assert plain.features.log_clip_s == pytest.approx(np.log(47 * EMBEDDING_HOP_S))


def test_of_a_variant_that_promises_nothing_a_quarter_is_searched() -> None:
    """Where no reading is of a recording, the variants cost a quarter each unless one happens to do better."""
    shelf = Shelf(SONGS)
    readings = unknown_readings(3)
    whole = rank(readings[0], shelf.catalogue()).searched
    searched = [
        rank(
            readings[0],
            shelf.catalogue(),
            variants=lambda: [(0.9, readings[1]), (1.1, readings[2])],
            settings=MatcherSettings(promising_lead=lead),
        ).searched
        for lead in (-10.0, 10.0)
    ]
    assert searched == [3 * whole, whole + 2 * -(-whole // 4)]


def test_only_the_variant_that_promises_is_searched_in_full() -> None:
    """Of three variants the right one is, where its quarter does not decide; the others keep their quarter."""
    shelf = Shelf(SONGS)
    readings = [*unknown_readings(3), clip(SONGS[4], 6.0, 8.0, cosine=0.7)]
    never = MatcherSettings(decisive_confidence=1.0)
    whole = len(readings[0].vectors)
    ranking = rank(
        readings[0], shelf.catalogue(), settings=never, variants=lambda: list(zip(RATIOS, readings[1:], strict=True))
    )
    assert ranking.matches[0].recording_id == 4
    assert ranking.searched == 2 * whole + 2 * -(-whole // 4)


def unknown_readings(count: int) -> list[Clip]:
    """Eight seconds each, of songs that no shelf has."""
    return [clip(Song.draw(900 + number, 60.0), 2.0, 8.0) for number in range(count)]


def told(place: Alignment) -> tuple[object, ...]:
    return place.recording_id, place.offset_s, place.slope, place.score, place.strength, place.pairs
