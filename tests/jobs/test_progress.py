"""Progress on a terminal and in a log."""

import io
import re
import threading
import time
from itertools import pairwise

import pytest

from ingest.flow import Flow
from ingest.progress import MAX_SAMPLES, Progress, clock_time
from tests.jobs.clock import Clock


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


class Log(io.StringIO):
    """A stream that says when it has so many lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.missing = lines
        self.full = threading.Event()

    def write(self, text: str) -> int:
        self.missing -= text.count("\n")
        if self.missing <= 0:
            self.full.set()
        return super().write(text)


def test_the_line_says_how_far_how_fast_and_how_long() -> None:
    """After 7200 s of audio from a quarter of the files in 10 s: 720 × real time, and 30 s left."""
    clock = Clock()
    with Progress(400, every_s=1e6, stream=io.StringIO(), clock=clock) as progress:
        clock.now = 10.0
        progress.advance(tracks=98, audio_s=7200.0, rejected=2)
        line = "embedding: 100/400 tracks · 2.0 h of audio · 720× real time · 2 rejected · 30 s left"
        assert progress.status() == line


def test_a_listing_is_counted_and_its_time_is_not_the_works() -> None:
    """While the source is listed there are entries; speed and time left are counted from when the work is known."""
    clock = Clock()
    with Progress(every_s=1e6, stream=io.StringIO(), clock=clock) as progress:
        progress.stage("listing")
        progress.listed(1_234)
        assert progress.status() == "listing: 1,234 entries"
        clock.now = 100.0
        progress.begin(2)
        progress.stage("embedding")
        clock.now = 110.0
        progress.advance(tracks=1, audio_s=100.0)
        assert progress.status() == "embedding: 1/2 tracks · 0.0 h of audio · 10× real time · 10 s left"


def test_the_line_says_how_the_pipeline_does() -> None:
    """While the job is embedding, how busy its stages are and what is in it; before and afterwards nothing of it."""
    clock = Clock()
    with Progress(400, every_s=1e6, stream=io.StringIO(), clock=clock) as progress:
        flow = Flow({"decode": 2, "embed": 1}, clock)
        progress.watch(flow)
        flow.enter(400)
        clock.now = 10.0
        flow.leave(100, 0, {"decode": 19.2, "embed": 4.1})
        progress.advance(tracks=100, audio_s=7200.0)
        done = "100/400 tracks · 2.0 h of audio · 720× real time"
        pipeline = "decode 96 % · embed 41 % · 300 files in the pipeline"
        assert progress.status() == f"embedding: {done} · {pipeline} · 30 s left"
        progress.stage("loading")
        assert progress.status() == f"loading: {done} · 30 s left"


def test_nothing_done_promises_nothing() -> None:
    """Before the first file there is neither a speed nor a time left."""
    assert Progress(1, stream=io.StringIO()).status() == "embedding: 0/1 tracks · 0.0 h of audio"


def test_a_log_gets_a_line_now_and_then() -> None:
    """Without a terminal a line is written every `every_s`, also while nothing advances, and one at the end."""
    log = Log(lines=3)
    with Progress(2, every_s=0.01, stream=log):
        assert log.full.wait(30)
    lines = log.getvalue().splitlines()
    assert len(lines) >= 4
    assert set(lines) == {"embedding: 0/2 tracks · 0.0 h of audio"}


def test_a_stage_is_announced_in_a_log() -> None:
    """A change of stage is a line of its own."""
    log = io.StringIO()
    with Progress(0, every_s=1e6, stream=log) as progress:
        progress.stage("loading")
    assert log.getvalue().splitlines()[0].startswith("loading: 0/0 tracks")


def test_a_terminal_gets_a_live_bar() -> None:
    """On a terminal the bar is redrawn in place and ends complete."""
    terminal = Terminal()
    with Progress(2, stream=terminal) as progress:
        progress.advance(tracks=1, audio_s=60.0)
        progress.stage("loading")
        progress.advance(tracks=1, audio_s=60.0)
    assert "\x1b[" in terminal.getvalue()
    assert "loading: 2/2 tracks" in terminal.getvalue()


def test_a_narrow_terminal_shows_the_whole_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit goes on below; it is drawn again while nothing advances, and then tells of no stage at work."""
    monkeypatch.setenv("COLUMNS", "60")
    clock, terminal = Clock(), Terminal()
    with Progress(400, every_s=0.01, stream=terminal, clock=clock) as progress:
        flow = Flow({"decode": 2}, clock)
        progress.watch(flow)
        flow.enter(400)
        clock.now = 10.0
        flow.leave(100, 0, {"decode": 19.2})
        progress.advance(tracks=100, audio_s=7200.0)
        clock.now = 100_000.0
        while "3 d 11 h left" not in terminal.getvalue():
            time.sleep(0.01)
    last = "embedding: 100/400 tracks · 2.0 h of audio · 0× real time · 300 files in the pipeline · 3 d 11 h left"
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|━|╺|╸", "", terminal.getvalue())
    assert " ".join(shown.split()).endswith(last)


def test_samples_are_few_and_cover_the_run() -> None:
    """However often it advances, the throughput curve has few points, ascending, the last one at the end."""
    clock = Clock()
    with Progress(10_000, every_s=1e6, stream=io.StringIO(), clock=clock) as progress:
        for _ in range(10_000):
            clock.now += 1.0
            progress.advance(tracks=1, audio_s=2.0)
    times = [sample.elapsed_s for sample in progress.samples]
    assert len(times) <= MAX_SAMPLES + 1
    assert times == sorted(times)
    assert max(later - sooner for sooner, later in pairwise(times)) <= 10_000 / MAX_SAMPLES * 4
    assert progress.samples[-1] == (10_000.0, 10_000, 20_000.0)


def test_advancing_from_threads_loses_nothing() -> None:
    """Counts from several threads add up."""
    with Progress(4000, every_s=1e6, stream=io.StringIO()) as progress:
        threads = [threading.Thread(target=lambda: [progress.advance(tracks=1) for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert progress.tracks == 4000


def test_times_are_for_people() -> None:
    """Seconds, minutes, hours and days, each where it reads best."""
    shown = [clock_time(seconds) for seconds in (0, 119.4, 120, 3599, 3600, 172_799, 172_800)]
    assert shown == ["0 s", "119 s", "2 min", "59 min", "1 h 00 min", "47 h 59 min", "2 d 00 h"]
