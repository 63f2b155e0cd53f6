"""`python -m scripts.timeline`: mixes whose content is known, and what is told of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conf import compose
from scripts.evaluation.conditions import Surroundings
from scripts.evaluation.mixes import Mix, Mixing, Piece, mix_of
from scripts.timeline import Heard, TimelineConfig, main, tally
from serve.matching.timeline import Segment
from tests.evaluation.world import collection
from tests.fingerprint.signals import melody

MIXING = Mixing(
    minutes=1.0,
    known_share=0.5,
    piece_s=(5.0, 15.0),
    fade_s=(0.0, 2.0),
    max_speed_change=0.04,
    gain_db=6.0,
    talk_share=0.5,
    talk_s=(2.0, 4.0),
    talk_snr_db=0.0,
    seed=1,
)


def options(*more: str) -> TimelineConfig:
    return compose("timeline", ["catalog.path=x", "out=x", *more], TimelineConfig)


def test_a_mix_is_what_it_says(tmp_path: Path) -> None:
    """Pieces follow each other without a gap, known ones are of the fold's half, and each is where it is said to be."""
    music = collection(tmp_path, [melody(20.0, number) for number in range(4)], (2, 2))
    plain = replace(MIXING, talk_share=0.0, max_speed_change=0.0, fade_s=(0.0, 0.0))
    mix = mix_of(music, 1, Surroundings(), plain)
    assert mix.duration_s >= 60
    assert all(
        early.end_s == pytest.approx(late.start_s) for early, late in zip(mix.pieces, mix.pieces[1:], strict=False)
    )
    for piece in mix.pieces:
        assert piece.known == (music.half(piece.track) == 1)
        own = mix.samples[round(piece.start_s * 8000) : round(piece.end_s * 8000)]
        first = round(piece.offset_s * 8000)
        source = music.tracks[piece.track].waveform()[first : first + len(own)].astype(np.float32)
        assert np.corrcoef(own, source)[0, 1] > 0.99


def test_mixes_are_a_function_of_the_seed(tmp_path: Path) -> None:
    """Faded, talked over and played faster: the same seed gives the same samples, another one others."""
    music = collection(tmp_path, [melody(20.0, number) for number in range(4)], (2, 2))
    first, again, other = (mix_of(music, 0, Surroundings(), replace(MIXING, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.samples, again.samples) and first.pieces == again.pieces
    assert first.pieces != other.pieces
    assert np.abs(first.samples).max() <= 0.9 + 1e-6


def segment(recording: int, start_s: float, end_s: float, track_s: float) -> Segment:
    return Segment(recording, start_s, end_s, track_s, track_s + end_s - start_s, 0.9, 0.99, 1.0, 0.0, (), ())


def test_segments_are_counted(tmp_path: Path) -> None:
    """Right track, right place, boundaries and false segments, as counted by hand."""
    music = collection(tmp_path, [melody(20.0, number) for number in range(2)], (1, 1))
    pieces = (
        Piece(0, True, 0.0, 10.0, 3.0, 1.0),
        Piece(1, False, 10.0, 20.0, 0.0, 1.0),
        Piece(0, True, 20, 30, 5.0, 1.0),
    )
    mix = Mix(np.zeros(30 * 8000, np.float32), pieces)
    told = (segment(1, 0.0, 9.0, 3.0), segment(1, 11.0, 19.0, 3.0), segment(1, 20.0, 30.0, 9.0))
    found = tally([Heard(mix, told, 1.0, 1.0)], music, options())
    assert (found.known_s, found.right_track_s, found.right_place_s) == (20.0, 19.0, 9.0)
    assert found.boundary_errors_s == (0.0, -1.0, 0.0, 0.0)
    assert (found.pieces, found.found, found.segments, len(found.false)) == (2, 2, 3, 1)


def test_it_runs_and_tells(music: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a folder of music with an untrained encoder: a table with every measure."""
    small = ["minutes=0.5", "piece_s=[5, 9]", "fade_s=[0, 1]"]
    assert main([f"catalog.path={music}", f"encoder.weights={weights}", f"out={tmp_path}", *small]) == 0
    told = capsys.readouterr().out
    assert "| known time, right track |" in told and "× real time a core: both" in told


def test_it_is_told_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without music, or with a range that is none: one line, exit code 2."""
    assert main([f"out={tmp_path}"]) == 2
    assert "catalog.path is not given" in capsys.readouterr().err
    assert main([f"out={tmp_path}", f"catalog.path={tmp_path}", "fade_s=[4, 1]"]) == 2
    assert "fade_s must be a range" in capsys.readouterr().err
