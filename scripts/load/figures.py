"""Numbers out of replies, and out of looks at memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean

import numpy as np

from scripts.load.traffic import Reply


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all is not above; NaN of none.

    >>> percentile([3.0, 1.0, 2.0], 0.5), percentile([3.0, 1.0, 2.0], 0.99)
    (2.0, 3.0)
    """
    if not values:
        return float("nan")
    return float(np.percentile(values, 100 * share, method="inverted_cdf"))


def accepted_ms(replies: Iterable[Reply]) -> list[float]:
    """Latencies of what was answered."""
    return [reply.latency_ms for reply in replies if reply.accepted]


def refused_ms(replies: Iterable[Reply]) -> list[float]:
    """Latencies of what was turned away as promised."""
    return [reply.latency_ms for reply in replies if reply.refused]


def failures(replies: Iterable[Reply]) -> Counter[str]:
    """What was neither answered nor turned away as promised, by status and code."""
    return Counter(f"{one.status} {one.code}" for one in replies if not one.accepted and not one.refused)


def refusals(replies: Iterable[Reply]) -> Counter[str]:
    """What was turned away as promised, by status and code."""
    return Counter(f"{one.status} {one.code}" for one in replies if one.refused)


def is_sustained(replies: Sequence[Reply], max_p99_ms: float) -> bool:
    """All answered, and 99 % of them in time."""
    answered = all(reply.accepted for reply in replies)
    return answered and percentile(accepted_ms(replies), 0.99) <= max_p99_ms


def recovered_after_s(replies: Sequence[Reply], max_ms: float) -> float:
    """When the last request was due that was late or not answered, 0.0 where none was."""
    return max((one.due_s for one in replies if not one.accepted or one.latency_ms > max_ms), default=0.0)


def slope(times_s: Sequence[float], values: Sequence[float]) -> float:
    """Growth a second, by least squares; NaN of fewer than two looks.

    >>> round(slope([0.0, 1.0, 2.0], [5.0, 7.0, 9.0]), 6)
    2.0
    """
    if len(times_s) < 2:
        return float("nan")
    return float(np.polyfit(times_s, values, 1)[0])


def stage_means_ms(replies: Iterable[Reply]) -> dict[str, float]:
    """By stage, of what was answered."""
    told = [reply.timings_ms for reply in replies if reply.timings_ms]
    return {stage: mean(one[stage] for one in told) for stage in (told[0] if told else ())}
