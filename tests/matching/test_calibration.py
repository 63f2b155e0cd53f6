"""From features to a probability."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.matching import Calibration, Features, choose_threshold

NEUTRAL = Features(
    score=0.5,
    contrast=0.4,
    lead=0.2,
    evidence=2.0,
    log_pairs=2.7,
    coverage=1.0,
    audible=1.0,
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
    assert calibration.weights["score"] == 0.0


@pytest.mark.parametrize("labels", [[True, True], [False, False], [True]])
def test_fit_needs_both_kinds(labels: list[bool]) -> None:
    """One kind of label, or a label too few, is refused."""
    with pytest.raises(ValueError, match="right and wrong"):
        Calibration.fit([NEUTRAL, NEUTRAL], labels)


@given(st.floats(-1, 1), st.floats(0, 1), st.sampled_from(["score", "contrast", "lead", "evidence"]))
def test_the_shipped_confidence_is_monotone(value: float, more: float, name: str) -> None:
    """More score, lead or evidence never lowers the confidence."""
    calibration = Calibration()
    less = calibration.confidence(replace(NEUTRAL, **{name: value}))
    assert calibration.confidence(replace(NEUTRAL, **{name: value + more})) >= less


def test_round_trip() -> None:
    """A calibration survives JSON and pickle."""
    calibration = Calibration({"score": 3.5, "retuned": -1.0}, -2.0, 0.75)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert pickle.loads(pickle.dumps(calibration)) == calibration


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"weights": {"loudness": 1.0}, "bias": 0.0, "threshold": 0.5}, "no such feature: loudness"),
        ({"weights": {"lead": -1.0}, "bias": 0.0, "threshold": 0.5}, "fall with lead"),
        ({"weights": {"score": float("nan")}, "bias": 0.0, "threshold": 0.5}, "not finite"),
        ({"weights": {"score": 1.0}, "bias": 0.0}, "threshold"),
        ({"weights": 3, "bias": 0.0, "threshold": 0.5}, "calibration"),
    ],
)
def test_what_is_no_calibration_is_refused(values: dict[str, object], told: str) -> None:
    """Unknown features, falling or infinite weights and missing fields raise, and say which."""
    with pytest.raises(ValueError, match=told):
        Calibration.from_dict(values)


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
