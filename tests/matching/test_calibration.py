"""From features to a probability."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.fingerprint.architecture import read_architecture
from serve.matching import Calibration, Features, LengthModel, choose_threshold
from serve.matching.calibration import MONOTONE

NEUTRAL = Features(
    score=0.5,
    contrast=0.4,
    agreement=0.5,
    lead=0.2,
    evidence=2.0,
    peak_evidence=5.0,
    log_pairs=2.7,
    coverage=1.0,
    audible=1.0,
    hurried=0.0,
    detuned=0.0,
    log_clip_s=2.0,
    retuned=0.0,
)


def examples(seed: int, count: int) -> tuple[list[Features], list[bool]]:
    """Candidates that are right with a probability that rises with the score, and with nothing else."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.1, 0.9, count)
    right = rng.random(count) < 1 / (1 + np.exp(-12 * (scores - 0.4)))
    features = [
        replace(NEUTRAL, score=float(s), lead=float(rng.normal()), log_pairs=float(rng.normal())) for s in scores
    ]
    return features, right.tolist()


def test_fit_recovers_the_probability() -> None:
    """On fresh candidates the fitted confidence is the true share of right ones, at low, middle and high scores."""
    calibration = Calibration.fit(*examples(1, 4000))
    fresh, right = examples(2, 4000)
    confidence = np.array([calibration.confidence(f) for f in fresh])
    for low, high in [(0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)]:
        chosen = (confidence >= low) & (confidence < high)
        assert np.array(right)[chosen].mean() == pytest.approx(confidence[chosen].mean(), abs=0.05)


def test_fit_of_separable_labels_is_finite() -> None:
    """Right and wrong candidates that never overlap leave finite weights, and confidences strictly between 0 and 1."""
    features = [replace(NEUTRAL, score=s) for s in (0.1, 0.2, 0.8, 0.9)]
    calibration = Calibration.fit(features, [False, False, True, True])
    assert calibration.confidence(features[0]) < 0.5 < calibration.confidence(features[3])
    assert calibration.confidence(replace(NEUTRAL, score=-1e9)) > 0
    assert calibration.confidence(replace(NEUTRAL, score=1e9)) < 1


def test_fit_never_learns_that_a_better_score_is_worse() -> None:
    """Labels turned upside down give the score no weight instead of a negative one."""
    features, right = examples(3, 500)
    calibration = Calibration.fit(features, [not label for label in right])
    assert calibration.models[0].weights["score"] == 0.0


@pytest.mark.parametrize("labels", [[True, True], [False, False], [True]])
def test_fit_needs_both_kinds(labels: list[bool]) -> None:
    """One kind of label, or a label too few, is refused."""
    with pytest.raises(ValueError, match="right and wrong"):
        Calibration.fit([NEUTRAL, NEUTRAL], labels)


@given(st.floats(-1, 1), st.floats(0, 1), st.sampled_from(MONOTONE))
def test_the_shipped_confidence_is_monotone(value: float, more: float, name: str) -> None:
    """More score, lead or evidence never lowers the confidence."""
    calibration = Calibration.shipped()
    less = calibration.confidence(replace(NEUTRAL, **{name: value}))
    assert calibration.confidence(replace(NEUTRAL, **{name: value + more})) >= less


def test_the_shipped_calibration_is_of_the_shipped_encoder() -> None:
    """New weights without a new calibration would answer by thresholds of other scores."""
    assert Calibration.shipped().encoder == read_architecture()[1]


def test_round_trip() -> None:
    """A calibration survives JSON and pickle."""
    short, long = (LengthModel(s, {"score": 3.5, "retuned": -s}, -2.0, 0.75) for s in (1.0, 10.0))
    calibration = Calibration((long, short), "ab" * 32)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert pickle.loads(pickle.dumps(calibration)) == calibration


MODEL = {"clip_s": 5.0, "weights": {"score": 1.0}, "bias": 0.0, "threshold": 0.5}


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ([MODEL | {"weights": {"loudness": 1.0}}], "no such feature: loudness"),
        ([MODEL | {"weights": {"lead": -1.0}}], "fall with lead"),
        ([MODEL | {"weights": {"score": float("nan")}}], "not finite"),
        ([MODEL | {"clip_s": 0.0}], "clips of 0.0 s"),
        ([{"clip_s": 5.0, "weights": {"score": 1.0}, "bias": 0.0}], "threshold"),
        ([MODEL | {"weights": 3}], "calibration"),
        ([MODEL, MODEL], "one model for each"),
        ([], "one model for each"),
    ],
)
def test_what_is_no_calibration_is_refused(models: list[dict[str, object]], told: str) -> None:
    """Unknown features, falling or infinite weights, missing fields and lengths that repeat raise, and say which."""
    with pytest.raises(ValueError, match=told):
        Calibration.from_dict({"models": models})


def test_every_length_has_a_model_of_its_own() -> None:
    """Where long clips need another score than short ones, each length learns its own, and between them it is mixed."""
    rng = np.random.default_rng(4)
    scores, long = rng.uniform(0, 1, 3000), rng.random(3000) < 0.5
    features = [
        replace(NEUTRAL, score=float(s), log_clip_s=float(np.log(8.0 if eight else 2.0)))
        for s, eight in zip(scores, long, strict=True)
    ]
    calibration = Calibration.fit(features, (scores > np.where(long, 0.3, 0.7)).tolist())

    def even_score(clip_s: float) -> float:
        """The score at which the confidence is one half."""
        tried = np.linspace(0, 1, 201)
        found = [calibration.confidence(replace(NEUTRAL, score=s, log_clip_s=np.log(clip_s))) for s in tried]
        return float(tried[np.argmin(np.abs(np.array(found) - 0.5))])

    assert [model.clip_s for model in calibration.models] == pytest.approx([2.0, 8.0])
    assert even_score(2.0) == pytest.approx(0.7, abs=0.05)
    assert even_score(1.0) == even_score(2.0)
    assert 0.4 < even_score(4.0) < 0.6
    assert even_score(8.0) == pytest.approx(0.3, abs=0.05)


def test_thresholds_are_set_length_by_length() -> None:
    """Of the unknown clips of every length at most the share is accepted, though short ones look the likelier."""
    models = tuple(LengthModel(s, {"score": 8.0}, -4.0) for s in (2.0, 8.0))
    rng = np.random.default_rng(5)
    unknown = [
        replace(NEUTRAL, score=float(rng.normal(mean, 0.2)), log_clip_s=float(np.log(clip_s)))
        for clip_s, mean in ((2.0, 0.6), (8.0, 0.3))
        for _ in range(500)
    ]
    calibration = Calibration(models).with_thresholds(unknown, 0.02)
    for part, clip_s in ((unknown[:500], 2.0), (unknown[500:], 8.0)):
        accepted = sum(calibration.confidence(f) >= calibration.threshold(clip_s) for f in part)
        assert accepted == 10
    assert calibration.threshold(2.0) > calibration.threshold(4.0) > calibration.threshold(8.0)


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=200), st.floats(0, 1))
def test_threshold_keeps_false_accepts_within_the_share(unknown: list[float], share: float) -> None:
    """At the threshold at most that share is accepted, and at any lower confidence that occurs more would be."""
    threshold = choose_threshold(unknown, share)
    accepted = [c for c in unknown if c >= threshold]
    assert len(accepted) <= share * len(unknown) + 1e-6
    lower = [c for c in unknown if c < threshold]
    if lower:
        assert sum(c >= max(lower) for c in unknown) > share * len(unknown) - 1e-6


def test_a_share_is_a_share() -> None:
    """A share of false accepts outside 0 to 1 is refused."""
    with pytest.raises(ValueError, match="no share"):
        choose_threshold([0.5], 1.5)
