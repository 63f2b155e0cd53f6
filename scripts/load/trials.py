"""Some seconds of traffic, with what every process used meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import InfrastructureError
from scripts.load.roles import CALLERS, MILVUS, Use, spent, used
from scripts.load.traffic import Reply

LOOK_S = 5.0
SETTLE_LOOK_S, SETTLE_LIMIT_S = 90.0, 3_600.0  # it looks once a minute whether there is something to merge
AT_REST = 0.15  # cores


@dataclass(frozen=True)
class Trial:
    """`rate` is the one that was asked for, in requests a second, 0.0 where callers waited for answers.

    wall_s: from the first request to the last reply. all_cpu_s: of the whole machine, other programs included.
    """

    rate: float
    replies: list[Reply]
    wall_s: float
    cpu_s: dict[str, float]
    all_cpu_s: float

    @property
    def answered_a_second(self) -> float:
        return sum(reply.accepted for reply in self.replies) / self.wall_s

    def cpu_ms(self, role: str) -> float:
        """Of each request."""
        return 1000 * self.cpu_s.get(role, 0.0) / max(1, len(self.replies))

    def cores(self, *roles: str) -> float:
        """So many were busy with these."""
        return sum(self.cpu_s.get(role, 0.0) for role in roles) / self.wall_s

    @property
    def other_cores(self) -> float:
        """So many were busy with programs that are none of ours."""
        return max(0.0, (self.all_cpu_s - sum(self.cpu_s.values())) / self.wall_s)


def measured(rate: float, work: Callable[[], list[Reply]]) -> Trial:
    """`work` to its end."""
    before, all_before_s, started = used(), machine_cpu_s(), time.monotonic()
    replies = work()
    wall_s = time.monotonic() - started
    return Trial(rate, replies, wall_s, spent(before, used()), machine_cpu_s() - all_before_s)


def settle(busy: Callable[[], float] | None = None, limit_s: float = SETTLE_LIMIT_S) -> float:
    """Wait until Milvus rests, and tell how many cores it then uses.

    It merges and indexes what it was filled with long after it is asked for. `busy` looks how many cores it uses.
    Raises InfrastructureError when that is too many for `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    look = busy or (lambda: idle(SETTLE_LOOK_S).cores(MILVUS))
    while (cores := look()) > AT_REST:
        if time.monotonic() > deadline:
            raise InfrastructureError(f"Milvus, asked nothing, still uses {cores:.2f} cores after {limit_s:g} s")
    return cores


def idle(seconds: float) -> Trial:
    """Nothing is asked."""

    def nothing() -> list[Reply]:
        time.sleep(seconds)
        return []

    return measured(0.0, nothing)


def machine_cpu_s() -> float:
    """Busy seconds of all cores since the machine was started, as /proc/stat tells them."""
    first = Path("/proc/stat").read_text().splitlines()[0].split()
    user, nice, system, _, _, irq, softirq = map(int, first[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Look:
    """What every process held at some moment, in seconds since the first look."""

    at_s: float
    use: Use


@contextmanager
def looking(every_s: float = LOOK_S) -> Iterator[list[Look]]:
    """Looks as long as this is open, the first at once, and one at the end."""
    started, ended = time.monotonic(), threading.Event()
    looks: list[Look] = []

    def look() -> None:
        looks.append(Look(time.monotonic() - started, used()))

    def look_on() -> None:
        while not ended.wait(every_s):
            look()

    look()
    looker = threading.Thread(target=look_on, daemon=True)
    looker.start()
    try:
        yield looks
    finally:
        ended.set()
        looker.join()
        look()


def held_by(looks: list[Look], role: str) -> tuple[list[float], list[float]]:
    """Times of the looks, and bytes that the role's processes held."""
    assert role != CALLERS
    return [look.at_s for look in looks], [float(look.use.memory.get(role, 0)) for look in looks]
