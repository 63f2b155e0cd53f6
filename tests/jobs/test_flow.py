"""How busy the stages are said to be, and what is in the pipeline."""

import threading

import pytest

from ingest.flow import RECENT_S, Flow, shares
from tests.jobs.clock import Clock

ACTORS = {"decode": 2, "embed": 1}


def flow(clock: Clock) -> Flow:
    return Flow(ACTORS, clock)


def test_nothing_told_is_nothing_said() -> None:
    """Before the first receipt the files are known and no share is; a stage that did nothing is not at 0 %."""
    clock = Clock()
    fresh = flow(clock)
    assert fresh.parts() == []
    fresh.enter(1_200)
    clock.now = 60.0
    assert fresh.parts() == ["1,200 files in the pipeline"]
    fresh.leave(1, 0, {"decode": 0.0, "embed": 0.0})
    assert fresh.utilisation() == {} and fresh.parts() == ["1,199 files in the pipeline"]


def test_the_share_is_of_all_actors_of_the_stage() -> None:
    """In ten seconds two decoders worked fifteen and the embedder four: 75 % and 40 %."""
    clock = Clock()
    seen = flow(clock)
    seen.enter(20)
    clock.now = 4.0
    seen.leave(2, 1, {"decode": 6.0, "embed": 1.0})
    clock.now = 10.0
    seen.leave(4, 3, {"decode": 9.0, "embed": 3.0})
    assert seen.utilisation() == pytest.approx({"decode": 0.75, "embed": 0.4})
    assert seen.parts() == ["decode 75 %", "embed 40 %", "14 files in the pipeline, 3 of them in part in the lake"]
    seen.leave(14, 0, {})
    assert seen.parts() == ["decode 75 %", "embed 40 %"]


def test_only_recent_work_counts() -> None:
    """After an hour at full load, some minutes at a quarter are a quarter."""
    clock = Clock()
    seen = flow(clock)
    for share in [1.0] * 360 + [0.25] * 20:
        clock.now += 10.0
        seen.leave(0, 0, {"decode": 20.0 * share, "embed": 10.0 * share})
    assert seen.utilisation() == pytest.approx({"decode": 0.25, "embed": 0.25})


def test_rare_receipts_are_looked_at_longer() -> None:
    """Where an hour passes between two receipts, the second tells of that hour, and holds for as long again."""
    clock = Clock()
    seen = flow(clock)
    for busy_s in (7200.0, 1800.0):
        clock.now += 3600.0
        seen.leave(1, 0, {"decode": busy_s})
    assert seen.utilisation() == pytest.approx({"decode": 0.25})
    clock.now += 3599.0
    assert seen.utilisation() == pytest.approx({"decode": 0.25})
    clock.now += 2.0
    assert seen.utilisation() == {}


def test_old_news_is_no_news() -> None:
    """A pipeline that stands still is not said to be busy."""
    clock = Clock()
    seen = flow(clock)
    clock.now = 10.0
    seen.leave(1, 0, {"decode": 15.0})
    clock.now += RECENT_S
    assert seen.utilisation() == {"decode": 0.75}
    clock.now += 0.1
    assert seen.utilisation() == {}


def test_work_that_is_told_late_is_never_more_than_all_the_time() -> None:
    """Windows that waited for the lake bring work of a time before: the share ends at 1."""
    clock = Clock()
    seen = flow(clock)
    clock.now = 1.0
    seen.leave(1, 0, {"embed": 30.0})
    assert seen.utilisation() == {"embed": 1.0}


def test_it_is_read_while_it_is_fed() -> None:
    """A thread that looks all the time sees shares between nothing and all."""
    seen, ended, wrong = Flow(ACTORS), threading.Event(), []

    def look() -> None:
        while not ended.is_set():
            wrong.extend(share for share in seen.utilisation().values() if not 0 < share <= 1)

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(2_000):
        seen.leave(0, 0, {"decode": 1e-6, "embed": 1e-6})
    ended.set()
    watcher.join()
    assert not wrong


def test_no_time_has_no_shares() -> None:
    """A stage that took no time has no share; one whose actors nobody counted has one."""
    assert shares({"decode": 1.0}, ACTORS, 0.0) == {}
    assert shares({"decode": 1.0, "sink": 1.0}, ACTORS, 2.0) == {"decode": 0.25, "sink": 0.5}
