"""The parts of a measurement, each on a service that is ready: highest rate, half of it, overload, soak."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ingest.errors import InfrastructureError
from scripts.evaluation.session import say
from scripts.load.figures import accepted_ms, is_sustained, percentile
from scripts.load.material import Clip
from scripts.load.options import LoadConfig
from scripts.load.traffic import Reply, arriving, in_turn, run
from scripts.load.trials import Look, Trial, looking, measured

FIRST_SHARE = 0.7  # of what callers in turn reach
SMALLEST = 0.1  # requests a second
SETTLE_S = 2.0  # between two trials
METRICS_S = 12.0  # until Ray's agent has the figures of a moment ago
STAGE_FAMILY = "ray_refrain_stage_ms"


@dataclass(frozen=True)
class Half:
    """At half the highest rate; `metrics_ms` are the means of the stages that /metrics tells of the same requests."""

    trial: Trial
    metrics_ms: dict[str, float]


@dataclass(frozen=True)
class Watched:
    """A trial with looks at memory during it."""

    trial: Trial
    looks: list[Look]


@dataclass(frozen=True)
class Overload:
    """Far more than can be answered, and what came after it."""

    during: Watched
    after: Trial


@dataclass
class Site:
    """A ready service and what it is asked; every trial draws its arrivals anew."""

    config: LoadConfig
    url: str
    clips: list[Clip]

    def __post_init__(self) -> None:
        self._seeds = count(self.config.seed)

    def at(self, rate: float, seconds: float) -> Trial:
        """Callers who wait for nobody."""
        seed = next(self._seeds)
        return self._told(measured(rate, lambda: self._run(rate, seconds, seed)))

    def in_turn(self, callers: int, seconds: float) -> Trial:
        """Callers who wait for their answers."""
        return self._told(measured(0.0, lambda: run(self.url, self.clips, lambda one: in_turn(one, callers, seconds))))

    def watched(self, rate: float, seconds: float) -> Watched:
        with looking() as looks:
            trial = self.at(rate, seconds)
        return Watched(trial, looks)

    def _run(self, rate: float, seconds: float, seed: int) -> list[Reply]:
        return run(self.url, self.clips, lambda caller: arriving(caller, rate, seconds, seed))

    def _told(self, trial: Trial) -> Trial:
        spent = accepted_ms(trial.replies)
        say(
            f"{trial.rate:.1f}/s: {len(spent)} of {len(trial.replies)} answered, {trial.answered_a_second:.1f}/s, "
            f"p50 {percentile(spent, 0.5):.0f} ms, p99 {percentile(spent, 0.99):.0f} ms"
        )
        time.sleep(SETTLE_S)
        return trial


def highest(
    attempt: Callable[[float], Trial], first_rate: float, precision: float, max_p99_ms: float
) -> tuple[Trial, list[Trial]]:
    """The trial of the highest rate that is sustained, to `precision`, and all trials. Raises InfrastructureError."""
    attempts: list[Trial] = []
    best, least_bad, rate = None, None, first_rate
    while rate >= SMALLEST:
        attempts.append(attempt(rate))
        if is_sustained(attempts[-1].replies, max_p99_ms):
            best = attempts[-1]
        else:
            least_bad = rate
        rate = _next_rate(best.rate if best else None, least_bad)
        if best and least_bad and least_bad / best.rate <= 1 + precision:
            return best, attempts
    raise InfrastructureError(f"not even {SMALLEST} requests a second are answered within {max_p99_ms:g} ms")


def _next_rate(good: float | None, bad: float | None) -> float:
    if good is None:
        return (bad or 0.0) * 0.6
    return good * 1.3 if bad is None else (good + bad) / 2


def at_half(site: Site, rate: float, seconds: float) -> Half:
    """With what /metrics says of the stages."""
    before = stage_figures(site.url)
    trial = site.at(rate, seconds)
    time.sleep(METRICS_S)
    after = stage_figures(site.url)
    means = {}
    for stage, (total_ms, requests) in after.items():
        total_before, requests_before = before.get(stage, (0.0, 0.0))
        if requests > requests_before:
            means[stage] = (total_ms - total_before) / (requests - requests_before)
    return Half(trial, means)


def overloaded(site: Site, highest_rate: float) -> Overload:
    """`overload` times the highest rate, then at once half of it."""
    config = site.config
    during = site.watched(config.overload * highest_rate, config.overload_s)
    return Overload(during, site.at(highest_rate / 2, config.recovery_s))


def stage_figures(url: str) -> dict[str, tuple[float, float]]:
    """By stage, milliseconds and requests so far, of all replicas."""
    page = httpx.get(f"{url}/metrics", timeout=30.0, trust_env=False).raise_for_status().text
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            for place, ending in enumerate(("_sum", "_count")):
                if sample.name == STAGE_FAMILY + ending:
                    found.setdefault(sample.labels["stage"], [0.0, 0.0])[place] += sample.value
    return {stage: (total_ms, requests) for stage, (total_ms, requests) in found.items()}
