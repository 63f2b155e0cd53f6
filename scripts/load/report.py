"""What was measured, as Markdown."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.fingerprint.grid import SEGMENT_HOP_S
from scripts.bulk_cost import Loading
from scripts.document import table
from scripts.load.figures import (
    accepted_ms,
    failures,
    percentile,
    recovered_after_s,
    refusals,
    refused_ms,
    slope,
    stage_means_ms,
)
from scripts.load.options import LoadConfig
from scripts.load.parts import Half, Overload, Watched
from scripts.load.roles import CALLERS, ROLES, SERVICE
from scripts.load.trials import Trial, held_by
from serve.recogniser import STAGES

SETTLED = 0.1  # of a soak is left out of what is said of memory


@dataclass
class Found:
    """Everything that was measured; what was not asked for is None."""

    loading: Loading
    idle: Trial
    callers: dict[int, Trial]
    attempts: list[Trial]
    highest: Trial
    half: Half
    overload: Overload | None = None
    soak: Watched | None = None
    noop: dict[str, Trial] = field(default_factory=dict)


def lines(config: LoadConfig, found: Found) -> Iterator[str]:
    """The section."""
    yield from _about(config, found)
    yield from _rates(config, found)
    yield from _costs(found)
    yield from _stages(found.half)
    if found.overload:
        yield from _overload(config, found.overload)
    if found.soak:
        yield from _soak(found.soak)


def _about(config: LoadConfig, found: Found) -> Iterator[str]:
    hours = found.loading.vectors * SEGMENT_HOP_S / 3600
    yield (
        f"{found.loading.vectors:,} vectors ({hours:,.0f} h of audio, music and simulated tracks) in a Milvus server "
        f"with a {config.index} index, their tracks in a MariaDB, `python -m serve` with its defaults"
        f"{' and ' + ', '.join(config.serve) if config.serve else ''}: all of it, and the callers, on "
        f"{os.cpu_count()} cores. {config.clips} clips of {config.clip_s:g} s as {config.form}, "
        f"{', '.join(config.conditions)}; {config.unknown_share:.0%} of recordings that the catalogue has not. Callers "
        "come at random (Poisson) and wait for nobody; latency counts from the moment a request was due."
    )
    yield ""


def _rates(config: LoadConfig, found: Found) -> Iterator[str]:
    others = [trial for trial in found.attempts if trial is not found.highest]
    trials = [
        *((f"{callers} in turn", trial) for callers, trial in found.callers.items()),
        *((f"{one.rate:.1f} a second", one) for one in sorted(others, key=lambda one: one.rate)),
        (f"**{found.highest.rate:.1f} a second, the highest**", found.highest),
        (f"**{found.half.trial.rate:.1f} a second, half of it**", found.half.trial),
        *((f"no-op, {name}", trial) for name, trial in found.noop.items()),
    ]
    head = ["callers", "answered a second", "p50, ms", "p99, ms", "turned away", "failed", "right"]
    yield from table(head, [[name, *_rate_row(trial)] for name, trial in trials])
    yield ""
    yield (
        f"The highest rate at which p99 stays within {config.max_p99_ms:g} ms and nobody is turned away for "
        f"{config.rate_s:g} s, to {config.precision:.0%}. Right: the recording, or no match where there is none."
    )
    yield ""
    yield limit(found.highest)
    yield ""


def _rate_row(trial: Trial) -> list[str]:
    spent, asked = accepted_ms(trial.replies), max(1, len(trial.replies))
    right = sum(reply.accepted and reply.right for reply in trial.replies)
    return [
        f"{trial.answered_a_second:.1f}",
        *(f"{percentile(spent, share):.0f}" for share in (0.5, 0.99)),
        f"{sum(refusals(trial.replies).values()) / asked:.1%}",
        f"{sum(failures(trial.replies).values()) / asked:.1%}",
        f"{right / max(1, len(spent)):.1%}",
    ]


def limit(highest: Trial) -> str:
    """What the processors did at the highest rate."""
    busiest = max(SERVICE, key=highest.cores)
    return (
        f"At the highest rate {highest.cores(*SERVICE):.2f} of {os.cpu_count()} cores were busy with the service and "
        f"its servers, {highest.cores(CALLERS):.2f} with the callers, {highest.other_cores:.2f} with other programs; "
        f"most of it with {busiest}, {highest.cores(busiest):.2f}."
    )


def _costs(found: Found) -> Iterator[str]:
    columns = {"highest": found.highest, "half": found.half.trial}
    columns |= {f"no-op, {name}": trial for name, trial in found.noop.items() if trial.rate}
    yield "CPU by process:"
    yield ""
    yield from table(
        ["", "idle, ms a second", *(f"{name}, ms a request" for name in columns)],
        [
            [
                name,
                f"{1000 * found.idle.cores(*roles):.0f}",
                *(f"{_cpu_ms(one, roles):.1f}" for one in columns.values()),
            ]
            for name, roles in [
                *((role, (role,)) for role in ROLES if role in found.idle.cpu_s),
                ("**all but the callers**", SERVICE),
            ]
        ],
    )
    yield ""


def _cpu_ms(trial: Trial, roles: Sequence[str]) -> float:
    return sum(trial.cpu_ms(role) for role in roles)


def _stages(half: Half) -> Iterator[str]:
    replies = [reply for reply in half.trial.replies if reply.timings_ms]
    means = stage_means_ms(replies)
    yield "Where the time goes at half the highest rate, ms a query on the clock:"
    yield ""
    rows = [
        [
            stage,
            *(f"{percentile([reply.timings_ms[stage] for reply in replies], share):.1f}" for share in (0.5, 0.99)),
            f"{means.get(stage, 0.0):.1f}",
            f"{half.metrics_ms.get(stage, float('nan')):.1f}",
        ]
        for stage in (*STAGES, "total")
    ]
    outside = [reply.latency_ms - reply.timings_ms["total"] for reply in replies]
    mean = sum(outside) / max(1, len(outside))
    rows.append(
        ["around it: HTTP, proxy, queues", *(f"{percentile(outside, q):.1f}" for q in (0.5, 0.99)), f"{mean:.1f}", ""]
    )
    yield from table(["stage", "p50", "p99", "mean", "mean, by /metrics"], rows)
    yield ""


def _overload(config: LoadConfig, overload: Overload) -> Iterator[str]:
    during = overload.during.trial
    spent, refused = accepted_ms(during.replies), refused_ms(during.replies)
    yield (
        f"**Overload**, {during.rate:.1f} requests a second for {config.overload_s:g} s: "
        f"{during.answered_a_second:.1f} a second answered, p50 {percentile(spent, 0.5):.0f} ms, "
        f"p99 {percentile(spent, 0.99):.0f} ms. Turned away: {len(refused) / max(1, len(during.replies)):.1%} "
        f"({_counted(refusals(during.replies))}), p50 {percentile(refused, 0.5):.0f} ms, "
        f"p99 {percentile(refused, 0.99):.0f} ms. Failed: {_counted(failures(during.replies))}. "
        f"Wrong: {_wrong(during)}. At half the highest rate, at once after it, the last request that was "
        f"turned away or took more than {config.max_p99_ms:g} ms was due after "
        f"{recovered_after_s(overload.after.replies, config.max_p99_ms):.1f} s."
    )
    yield ""
    first, last = overload.during.looks[0].use.memory, overload.during.looks[-1].use.memory
    yield from table(
        ["private memory, MB", "before", "after"],
        [[role, *(f"{one.get(role, 0) / 1e6:,.0f}" for one in (first, last))] for role in SERVICE if role in last],
    )
    yield ""


def _soak(soak: Watched) -> Iterator[str]:
    trial = soak.trial
    spent = accepted_ms(trial.replies)
    yield (
        f"**Soak**, {trial.rate:.1f} requests a second for {trial.wall_s / 60:.0f} minutes: {len(trial.replies):,} "
        f"asked, turned away: {_counted(refusals(trial.replies))}, failed: {_counted(failures(trial.replies))}, p50 "
        f"{percentile(spent, 0.5):.0f} ms, p99 {percentile(spent, 0.99):.0f} ms."
    )
    yield ""
    yield from table(
        ["private memory", "at first, MB", "at last, MB", "growth, MB an hour"], map(_growth(soak), SERVICE)
    )
    yield ""


def _growth(soak: Watched) -> Callable[[str], list[str]]:
    looks = soak.looks[int(SETTLED * len(soak.looks)) :]

    def row(role: str) -> list[str]:
        times_s, held = held_by(looks, role)
        return [role, f"{held[0] / 1e6:,.0f}", f"{held[-1] / 1e6:,.0f}", f"{slope(times_s, held) * 3600 / 1e6:,.1f}"]

    return row


def _wrong(trial: Trial) -> str:
    wrong = sum(reply.accepted and reply.answered and not reply.right for reply in trial.replies)
    return f"{wrong} of {len(accepted_ms(trial.replies))}"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} × {what}" for what, count in counts.most_common()) or "none"
