"""Numbers out of replies: what counts as answered in time, as turned away, as recovered."""

import math
from dataclasses import replace

import pytest

from scripts.load.figures import (
    accepted_ms,
    failures,
    is_sustained,
    percentile,
    recovered_after_s,
    refusals,
    slope,
    stage_means_ms,
)
from scripts.load.traffic import Reply

GOOD = Reply(1.0, 100.0, 200, timings_ms={"embed": 10.0, "total": 60.0})
FULL = Reply(2.0, 5.0, 429, "too_many_requests", retry_after=True)
NEVER = Reply(3.0, 60_000.0, 0, "ReadTimeout")


def test_a_reply_is_answered_or_turned_away_as_promised_or_a_failure() -> None:
    """A refusal without a time to ask again is a failure, as is no reply at all."""
    replies = [GOOD, FULL, NEVER, replace(FULL, retry_after=False), Reply(4.0, 1.0, 500, "")]
    assert accepted_ms(replies) == [100.0]
    assert refusals(replies) == {"429 too_many_requests": 1}
    assert failures(replies) == {"0 ReadTimeout": 1, "429 too_many_requests": 1, "500 ": 1}


def test_a_rate_is_sustained_when_all_are_answered_and_99_of_100_in_time() -> None:
    """One late reply of a hundred is borne, two are not, and neither is one that was turned away."""
    late = replace(GOOD, latency_ms=1_500.0)
    assert is_sustained([GOOD] * 99 + [late], 1_000.0)
    assert not is_sustained([GOOD] * 98 + [late] * 2, 1_000.0)
    assert not is_sustained([GOOD] * 99 + [FULL], 1_000.0)
    assert not is_sustained([], 1_000.0)


def test_recovery_ends_with_the_last_that_was_late() -> None:
    """Whatever came before it; nothing late is nothing to recover from."""
    replies = [FULL, replace(GOOD, due_s=3.0, latency_ms=2_000.0), replace(GOOD, due_s=9.0)]
    assert recovered_after_s(replies, 1_000.0) == 3.0
    assert recovered_after_s([GOOD], 1_000.0) == 0.0


def test_stages_are_averaged_over_what_tells_them() -> None:
    """Refusals tell none."""
    assert stage_means_ms([GOOD, replace(GOOD, timings_ms={"embed": 20.0, "total": 80.0}), FULL]) == {
        "embed": 15.0,
        "total": 70.0,
    }
    assert stage_means_ms([FULL]) == {}


def test_of_nothing_there_is_no_figure() -> None:
    """Neither a percentile nor a slope."""
    assert math.isnan(percentile([], 0.5)) and math.isnan(slope([1.0], [2.0]))
    assert slope([0.0, 10.0], [5.0, 25.0]) == pytest.approx(2.0)
