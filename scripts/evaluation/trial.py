"""Every question put to both folds: its track is in the catalogue of one and unknown to the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from scripts.evaluation.flat import FlatIndex
from scripts.evaluation.questions import Question
from scripts.evaluation.tracks import EvaluatedTrack, Fold
from scripts.evaluation.truth import right_place, right_track
from serve.matching import Calibration, Features, choose_threshold, rank


@dataclass(frozen=True)
class Outcome:
    """The best answer to one question in one fold; confidence is recomputed from `features` by any calibration."""

    fold: int
    known: bool
    track: str
    condition: str
    clip_s: float
    right_track: bool
    right_place: bool
    offset_error_s: float
    features: Features | None  # None: no candidate at all
    match_ms: float
    answered: str


def trial(
    tracks: Sequence[EvaluatedTrack], folds: Sequence[Fold], questions: Iterable[Question], tolerance_s: float
) -> Iterator[Outcome]:
    """Outcomes of all questions in all folds."""
    indexes = [FlatIndex(tracks, fold.indexed) for fold in folds]
    for question in questions:
        for number, (fold, index) in enumerate(zip(folds, indexes, strict=True)):
            yield _outcome(tracks, number, question.track in fold.indexed, index, question, tolerance_s)


def _outcome(
    tracks: Sequence[EvaluatedTrack], fold: int, known: bool, index: FlatIndex, question: Question, tolerance_s: float
) -> Outcome:
    started = time.process_time()
    ranking = rank(question.query, index.catalogue())
    best = ranking.matches[0] if ranking.matches else None
    return Outcome(
        fold=fold,
        known=known,
        track=tracks[question.track].name,
        condition=question.condition.name,
        clip_s=question.clip_s,
        right_track=known and best is not None and right_track(question, best),
        right_place=known and best is not None and right_place(question, best, tracks[question.track], tolerance_s),
        offset_error_s=best.offset_s - question.offset_s if best else float("nan"),
        features=best.features if best else None,
        match_ms=1000 * (time.process_time() - started),
        answered=tracks[best.recording_id - 1].name if best else "",
    )


def calibrate(outcomes: Iterable[Outcome], max_false_accepts: float) -> Calibration:
    """Fitted on these outcomes; its threshold lets at most that share of their unknown clips be answered."""
    seen = [outcome for outcome in outcomes if outcome.features is not None]
    features = [outcome.features for outcome in seen if outcome.features is not None]
    fitted = Calibration.fit(features, [outcome.right_track for outcome in seen])
    unknown = [confidence(outcome, fitted) for outcome in seen if not outcome.known]
    return Calibration(fitted.weights, fitted.bias, choose_threshold(unknown, max_false_accepts))


def confidence(outcome: Outcome, calibration: Calibration) -> float:
    return calibration.confidence(outcome.features) if outcome.features else 0.0
