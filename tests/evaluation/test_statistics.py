"""Shares, curves and distances against scipy and against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp

from scripts.evaluation.statistics import (
    Curve,
    Share,
    calibration_error,
    curve,
    ks_distance,
    reliability,
    share,
)

confidences = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=60)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (149, 150), (1, 1)])
def test_the_interval_is_wilsons(k: int, n: int) -> None:
    """The interval of a share is scipy's Wilson interval."""
    low, high = Share(k, n).interval()
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_a_share_of_nothing_says_so() -> None:
    """Without a single clip there is no figure, and the interval is everything."""
    assert str(share([])) == "–" and Share(0, 0).interval() == (0.0, 1.0)
    assert Share(0, 0).to_dict()["share"] is None


@given(found=confidences, unknown=confidences, misses=st.integers(0, 5))
def test_the_curve_is_what_counting_gives(found: list[float], unknown: list[float], misses: int) -> None:
    """At every point of the curve no more than its unknown clips are accepted, and the hits are those above them."""
    known = len(found) + misses
    measured = curve(found, known, unknown)
    for i, hits in enumerate(measured.hits):
        threshold = sorted(unknown, reverse=True)[i] if i < len(unknown) else 0.0
        assert sum(c > threshold for c in unknown) <= i
        assert hits == pytest.approx(sum(c > threshold for c in found) / known)
    assert [x for x, _ in measured.points()] == [i / len(unknown) for i in range(len(unknown) + 1)]
    assert list(measured.hits) == sorted(measured.hits)


def test_a_hit_rate_is_read_off_the_curve() -> None:
    """A share of false accepts between two points is worth the lower one; beyond the last, the last."""
    measured = Curve(4, (0.1, 0.2, 0.3, 0.4, 0.5))
    assert [measured.hit_rate(share) for share in (0.0, 0.24, 0.25, 0.5, 1.0)] == [0.1, 0.1, 0.2, 0.3, 0.5]


def test_without_unknown_clips_everything_found_counts() -> None:
    """A curve of no unknown clips has one hit rate and no points."""
    measured = curve([0.2, 0.9], 4, [])
    assert measured.hits == (0.5,) and measured.points() == [] and measured.hit_rate(0.01) == 0.5


def test_reliability_by_hand() -> None:
    """Two bins, their means, their truths, and the error weighted by their sizes."""
    bins = reliability([0.11, 0.19, 0.95, 1.0], [False, True, True, True])
    assert [(one.low, one.high, one.right.k, one.right.n) for one in bins] == [(0.1, 0.2, 1, 2), (0.9, 1.0, 2, 2)]
    assert bins[0].confidence == pytest.approx(0.15) and bins[1].confidence == pytest.approx(0.975)
    assert calibration_error(bins) == pytest.approx(0.5 * 0.35 + 0.5 * 0.025)


@pytest.mark.parametrize("shift", [0.0, 0.3, 5.0])
def test_the_distance_is_kolmogorovs(shift: float) -> None:
    """The distance of two samples is scipy's Kolmogorov-Smirnov statistic, ties included."""
    rng = np.random.default_rng(1)
    some, others = rng.normal(0, 1, 300).round(1), rng.normal(shift, 1, 200).round(1)
    assert ks_distance(some, others) == pytest.approx(ks_2samp(some, others).statistic)
