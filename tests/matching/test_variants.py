"""Retuned readings: when they are asked for, and how their geometry composes with the clip's."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching import MatcherSettings
from tests.matching.world import Clip, Shelf, Song, clip, identify, rank

SONGS = {number: Song.draw(number, 40.0) for number in range(1, 9)}


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
    variants = [(2 ** (s / 12), lambda s=s: read(2 ** (s / 12))) for s in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0)]
    assert identify(read(1.0), shelf.catalogue()) == []
    match = identify(read(1.0), shelf.catalogue(), variants=variants)[0]
    assert match.recording_id == 3
    assert match.offset_s == pytest.approx(12.4, abs=0.15)
    assert match.speed == pytest.approx(speed, rel=0.02)
    assert match.pitch_semitones == pytest.approx(semitones)
    assert match.aligned_s == pytest.approx(8.0, abs=0.8)
    assert match.features.retuned == 1.0


def test_variants_are_embedded_only_while_unsure() -> None:
    """A clip recognised as it is embeds no variant; the one that decides is the last embedded."""
    shelf = Shelf(SONGS)
    embedded: list[float] = []

    def variants(read: Callable[[float], Clip]) -> Iterator[tuple[float, Callable[[], Clip]]]:
        for ratio in (2 ** (1 / 12), 2 ** (-1 / 12), 2 ** (2 / 12)):
            yield ratio, lambda ratio=ratio: embedded.append(ratio) or read(ratio)

    plain = raised_clip(SONGS[5], 3.0, 8.0, 1.0, 1.0)
    assert rank(plain(1.0), shelf.catalogue(), variants=variants(plain)).variants == 0
    assert embedded == []
    lowered = raised_clip(SONGS[5], 3.0, 8.0, 1.0, 2 ** (-1 / 12))
    ranking = rank(lowered(1.0), shelf.catalogue(), variants=variants(lowered))
    assert (ranking.variants, len(embedded)) == (2, 2)
    assert ranking.matches[0].pitch_semitones == pytest.approx(-1.0)


def test_the_better_reading_of_a_recording_is_reported() -> None:
    """Where the clip as it is and a variant both find the recording, the stronger of the two gives the answer."""
    shelf = Shelf(SONGS)
    clear, faint = (clip(SONGS[2], 9.0, 6.0, cosine=cosine) for cosine in (0.8, 0.4))
    never = MatcherSettings(decisive_confidence=1.0)
    retuned = rank(faint, shelf.catalogue(), settings=never, variants=[(1.0001, lambda: clear)]).matches[0]
    assert retuned.features.retuned == 1.0
    plain = rank(clear, shelf.catalogue(), settings=never, variants=[(1.0001, lambda: faint)]).matches[0]
    assert plain.features.retuned == 0.0
    assert [m.recording_id for m in (retuned, plain)] == [2, 2]
    assert plain.features.log_clip_s == pytest.approx(np.log(47 * EMBEDDING_HOP_S))


def test_of_a_variant_that_promises_nothing_a_quarter_is_searched() -> None:
    """Where no reading is of a recording, the variants cost a quarter each unless one happens to do better."""
    shelf = Shelf(SONGS)
    readings = [clip(Song.draw(900 + number, 60.0), 2.0, 8.0) for number in range(3)]
    variants = [(ratio, lambda reading=reading: reading) for ratio, reading in ((0.9, readings[1]), (1.1, readings[2]))]
    whole = rank(readings[0], shelf.catalogue()).searched
    searched = [
        rank(readings[0], shelf.catalogue(), variants=variants, settings=MatcherSettings(promising_lead=lead)).searched
        for lead in (-10.0, 10.0)
    ]
    assert searched == [3 * whole, whole + 2 * -(-whole // 4)]
