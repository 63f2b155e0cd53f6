"""The score: theory, form and variety, without any sound."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.music.accompaniment import BASS_PATTERNS, CHORD_PATTERNS
from scripts.music.catalog import catalog, unknown
from scripts.music.drums import GROOVES
from scripts.music.form import plan
from scripts.music.melody import Motif, nearest_chord_tone
from scripts.music.score import DRUMS, Score, write_score
from scripts.music.styles import STYLES
from scripts.music.theory import SCALES, Key, chord, voicing
from scripts.music.voices import VOICES

SCORES = {seed: write_score(seed, 75.0) for seed in range(2 * len(STYLES))}


def _bars(score: Score) -> list[Counter[tuple[int, float, int]]]:
    """What is played in each bar: (part, place in the bar to a quarter of an eighth, pitch)."""
    length = sum(score.metre)
    bars: list[Counter[tuple[int, float, int]]] = [Counter() for _ in range(score.eighths // length)]
    for index, part in enumerate(score.parts):
        for note in part.notes:
            bar, place = divmod(note.start, length)
            bars[int(bar)][(index, round(4 * place) / 4, note.pitch)] += 1
    return bars


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_styles_name_only_what_exists(style: object) -> None:
    """Every instrument, pattern, groove and scale that a style names is there."""
    assert {*style.leads, *style.chords, *style.arpeggios, *style.pads, *style.basses} <= set(VOICES)
    assert set(style.chord_patterns) <= set(CHORD_PATTERNS)
    assert set(style.bass_patterns) <= set(BASS_PATTERNS)
    assert set(style.grooves) <= set(GROOVES)
    assert set(style.scales) <= set(SCALES)


def test_the_same_seed_writes_the_same_score() -> None:
    """A score depends on its seed alone."""
    assert write_score(3, 60.0) == write_score(3, 60.0)
    assert write_score(3, 60.0) != write_score(3 + len(STYLES), 60.0)


@pytest.mark.parametrize("seed", SCORES)
def test_every_note_lies_inside_the_piece(seed: int) -> None:
    """No note starts before the piece or after it, and every pitch can be heard."""
    score = SCORES[seed]
    for part in score.parts:
        for note in part.notes:
            assert 0 <= note.start < score.eighths
            assert note.length > 0
            assert 0 < note.velocity <= 1
            assert part.voice == DRUMS or 24 <= note.pitch <= 108


@pytest.mark.parametrize("seed", SCORES)
def test_sections_follow_each_other_and_contrast(seed: int) -> None:
    """A piece has at least five sections without gaps, in more than one key or more than one fullness."""
    sections = SCORES[seed].sections
    assert len(sections) >= 5
    assert all(before.first_bar + before.bars == after.first_bar for before, after in pairwise(sections))
    assert len({(section.key, section.energy) for section in sections}) >= 3
    assert all(len(section.chords) == section.bars for section in sections)


@pytest.mark.parametrize("seed", SCORES)
def test_no_piece_loops(seed: int) -> None:
    """No two passages of four bars share even two thirds of their notes."""
    bars = _bars(SCORES[seed])
    passages = [
        Counter({(place, *note): count for place in range(4) for note, count in bars[first + place].items()})
        for first in range(len(bars) - 3)
    ]
    for first, one in enumerate(passages):
        for other in passages[first + 1 :]:
            assert (one & other).total() <= 2 / 3 * max(one.total(), other.total(), 1)


def test_pieces_differ_from_each_other() -> None:
    """No two pieces share style, metre, tempo and key, and no two drum parts begin alike."""
    heads = {(score.style.name, score.metre, round(score.bpm), score.key) for score in SCORES.values()}
    assert len(heads) == len(SCORES)
    drums = [tuple(note[:3] for note in score.parts[-1].notes[:40]) for score in SCORES.values()]
    played = [part for part in drums if part]
    assert len(played) > len(SCORES) / 2
    assert len(set(played)) == len(played)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), bars=st.integers(1, 400))
def test_a_form_fills_any_number_of_bars(seed: int, bars: int) -> None:
    """However long the piece, its sections are contiguous and fill it exactly."""
    sections = plan(np.random.default_rng(seed), Key(60, "major"), bars)
    assert [section.first_bar for section in sections] == np.cumsum(
        [0, *(section.bars for section in sections[:-1])]
    ).tolist()
    assert sum(section.bars for section in sections) == bars


@given(
    degree=st.integers(-14, 21),
    root=st.integers(0, 6),
    tonic=st.integers(48, 72),
    scale=st.sampled_from(sorted(SCALES)),
)
def test_harmony_keeps_to_its_chord(degree: int, root: int, tonic: int, scale: str) -> None:
    """The nearest chord tone belongs to the chord at one step's distance at most; a voicing holds the chord's tones."""
    key = Key(tonic, scale)
    tone = nearest_chord_tone(degree, root)
    tones = {key.pitch(member) % 12 for member in chord(root, seventh=False)}
    assert abs(tone - degree) <= 1
    assert key.pitch(tone) % 12 in tones
    assert {pitch % 12 for pitch in voicing(key, chord(root, seventh=False), (57, 61, 64))} == tones


@given(seed=st.integers(0, 2**31))
def test_a_varied_motif_lasts_as_long(seed: int) -> None:
    """Development changes a motif's notes, never its length."""
    motif = Motif((1.0, -1.0, 0.5, 0.5, 2.0), (0, 1, -2, 3, 1))
    varied = motif.varied(np.random.default_rng(seed))
    assert sum(abs(length) for length in varied.lengths) == pytest.approx(5.0)
    assert len(varied.lengths) == len(varied.steps)


def test_a_catalogue_is_distinct_and_in_several_formats() -> None:
    """28 songs have as many titles and file names and five formats or more; no unknown piece is among them."""
    songs = catalog(7, 28)
    assert songs == catalog(7, 28)
    assert len({song.tags.title for song in songs}) == 28
    assert len({song.file_name for song in songs}) == 28
    assert len({song.form for song in songs}) >= 5
    assert all(60 <= song.duration_s <= 90 for song in songs)
    assert not {song.seed for song in songs} & {song.seed for song in unknown(7, 2)}
