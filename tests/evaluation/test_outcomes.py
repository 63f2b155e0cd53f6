"""Outcomes: kept, judged across folds, and summed up."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.errors import ConfigurationError
from scripts.evaluation import report
from scripts.evaluation.figures import cells, figures
from scripts.evaluation.judging import Judged, chosen_calibration, cross_fitted, fitted, judge, too_few
from scripts.evaluation.outcomes import Kept, Outcome, Unit
from serve.matching import Calibration
from tests.evaluation.world import outcome


def answers(fold: int, shift: float = 0.0, clips: int = 200) -> list[Outcome]:
    """Known clips with higher scores than unknown ones, at two lengths."""
    rng = np.random.default_rng(fold)
    found = []
    for clip_s in (1.0, 10.0):
        for score in rng.normal(0.7 + shift, 0.1, clips):
            found.append(outcome(float(score), fold=fold, clip_s=clip_s))
        for score in rng.normal(0.3 + shift, 0.1, clips):
            found.append(outcome(float(score), fold=fold, known=False, right=False, clip_s=clip_s))
    return found


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """Outcomes of a unit survive their file; a unit that was not finished, or whose file is broken, is none."""
    kept, unit = Kept(tmp_path / "a"), Unit("noise -5 dB", 1.5, 3)
    assert kept.load(unit) is None
    kept.save(unit, [outcome(0.5), outcome(None)])
    assert kept.load(unit) == [outcome(0.5), outcome(None)]
    assert kept.load(replace(unit, distractors=9)) is None
    (tmp_path / "a" / unit.file_name).write_text('{"condition": "clean"}\n')
    assert kept.load(unit) is None


def test_a_fold_is_judged_by_the_other() -> None:
    """Each fold's threshold lets 1 % of the other's unknown clips through, at each length."""
    outcomes = answers(0) + answers(1, shift=0.2)
    calibrations = cross_fitted(outcomes, 0.01)
    for fold in (0, 1):
        others = judge([o for o in outcomes if o.fold != fold], {1 - fold: calibrations[fold]})
        for clip_s in (1.0, 10.0):
            unknown = [one for one in others if not one.outcome.known and one.outcome.clip_s == clip_s]
            assert sum(one.accepted for one in unknown) == 2  # of 200
    assert calibrations[0].to_dict() != calibrations[1].to_dict()


def test_a_right_answer_from_elsewhere_is_no_false_accept() -> None:
    """An unknown clip whose passage another track holds neither sets the threshold nor counts against it."""
    twin = outcome(0.99, known=False, right=True)
    assert not twin.mistakable
    assert fitted([*answers(0), twin], 0.0).threshold(3.0) == pytest.approx(
        fitted(answers(0), 0.0).threshold(3.0), abs=0.02
    )
    (cell,) = cells(judge([twin], {0: Calibration.shipped()}))
    assert cell.unknown_answered.n == 0


def test_no_candidate_is_no_answer() -> None:
    """A clip without any candidate is judged, and not accepted."""
    (one,) = judge([outcome(None, right=False)], {0: Calibration.shipped()})
    assert not one.accepted and one.confidence == 0.0


def test_too_few_answers_are_told() -> None:
    """Answers of one kind cannot be fitted, and thresholds on few unknown clips come with a warning."""
    with pytest.raises(ConfigurationError, match="ask more"):
        fitted([outcome(0.5)], 0.01)
    assert "200 unknown clips" in too_few(answers(0), 0.001)
    assert too_few(answers(0), 0.01) == ""


def test_a_calibration_is_read(tmp_path: Path) -> None:
    """None, the shipped one and a file; anything else, and another encoder's, is a configuration error."""
    path, shipped = tmp_path / "calibration.json", Calibration.shipped()
    encoder = str(shipped.encoder)
    path.write_text(json.dumps(shipped.to_dict()))
    assert chosen_calibration(None, encoder) is None
    assert chosen_calibration("shipped", encoder) == chosen_calibration(str(path), encoder) == shipped
    with pytest.raises(ConfigurationError, match=f"belongs to the encoder {encoder[:12]}, not to {'ab' * 6}"):
        chosen_calibration(str(path), "ab" * 32)
    for content in ("{", "[]", "{}", ""):
        path.write_text(content)
        with pytest.raises(ConfigurationError, match="calibration="):
            chosen_calibration(str(path), encoder)


def judged(score: float | None, accepted: bool, **told: object) -> Judged:
    return Judged(outcome(score, **told), 0.9 if accepted else 0.1, 0.5)  # type: ignore[arg-type]


def test_every_clip_is_counted_where_it_belongs() -> None:
    """Hits, misplaced, refused and wrong answers of known clips, and answers to unknown ones, by hand."""
    (cell,) = cells(
        [
            judged(0.9, True),
            judged(0.9, True, place=False, rank=1),
            judged(0.9, False),
            judged(0.9, True, right=False, rank=4),
            judged(0.9, False, right=False, rank=0),
            judged(None, False, right=False, rank=0),
            judged(0.9, True, known=False, right=False, rank=0),
            judged(0.9, False, known=False, right=False, rank=0),
        ]
    )
    shares = (cell.hits, cell.right_track, cell.right_place, cell.refused, cell.wrong, cell.unknown_answered)
    assert [(share.k, share.n) for share in shares] == [(1, 6), (3, 6), (2, 6), (1, 6), (1, 6), (1, 2)]
    assert cell.ranks == {"2": 0, "3–5": 1, "6–20": 0, "beyond": 0, "absent": 2}


def test_the_report_shows_what_was_measured() -> None:
    """Every condition and length has its cell, the sure wrong answers are named, and results go into JSON."""
    measured = [
        judged(0.9, True),
        judged(0.9, True, condition="phone", clip_s=10.0),
        judged(0.9, True, known=False, right=False, answer="a | b"),
        judged(0.8, True, known=False, right=False, answer="a | b"),
    ]
    found = figures(measured)
    tables = "\n".join([*report.condition_tables(found), *report.ranks(found), *report.false_accepts(found)])
    assert "| clean | 100.0 (20.7–100.0) | – |" in tables and "| phone | – | 100.0 (20.7–100.0) |" in tables
    assert "| clean | 100.0 (34.2–100.0) | – |" in tables  # two unknown clips answered
    suspects = "\n".join(report.suspects(found))
    assert suspects.count("a \\| b") == 1
    assert found.clip_s == 10.0 and found.ms["search"] == (2.0, 0.0)
    assert json.loads(json.dumps(found.to_dict()))["cells"][0]["hits"]["share"] == 1.0
    assert "| all | 6.0 | 0.0 |" in "\n".join(report.times(found, remote=False))


def test_thresholds_are_told_once_where_folds_agree() -> None:
    """One figure a length, two where the folds differ."""
    shipped = Calibration.shipped()
    other = Calibration(tuple(replace(model, threshold=0.123) for model in shipped.models))
    assert report.thresholds({0: other, 1: other}, [10.0]) == "Thresholds: 10 s 0.123."
    assert " and 0.123" in report.thresholds({0: shipped, 1: other}, [10.0])
