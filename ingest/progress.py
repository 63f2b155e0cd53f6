"""How far a job is: a live bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from conf.events import events
from ingest.flow import Flow
from ingest.runs import Sample

DRAWN_EVERY = 1_000  # entries of a listing
MAX_SAMPLES = 512  # of the throughput curve; beyond it every second one goes and the rest come half as often

log = events(__name__)


class Progress:
    """Context manager around the work of one run; safe to advance from any thread.

    `total` is the number of files to do, known once they are listed; `clock` counts seconds. On a terminal a bar is
    redrawn; elsewhere a line is written every `every_s`, also while nothing advances, so that one sees a job that
    stands still.
    """

    def __init__(
        self,
        total: int = 0,
        *,
        every_s: float = 10.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.tracks = 0
        self.rejected = 0
        self.audio_s = 0.0
        self.samples: list[Sample] = []
        self.stage_name = "embedding"
        self._flow: Flow | None = None
        self._listed = 0
        self._every_s = every_s
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started = clock()
        self._spacing_s = 0.5  # of the samples
        self._guard = threading.RLock()
        self._ended = threading.Event()
        self._bar = _bar(self._stream) if self._stream.isatty() else None
        self._task = self._bar.add_task("", total=total or None) if self._bar else None

    def advance(self, tracks: int = 0, audio_s: float = 0.0, rejected: int = 0) -> None:
        """Count files that are in, their seconds of audio, and files that were rejected."""
        with self._guard:
            self.tracks += tracks
            self.audio_s += audio_s
            self.rejected += rejected
            self._sample()
        self._draw()

    def begin(self, total: int) -> None:
        """The work is known: from here speed and time left are counted."""
        with self._guard:
            self.total, self._started = total, self._clock()

    def watch(self, flow: Flow) -> None:
        """Say of the pipeline, too, how it does while the job is embedding."""
        self._flow = flow

    def listed(self, entries: int) -> None:
        """Say how many entries the source has listed so far."""
        self._listed = entries
        if entries % DRAWN_EVERY == 0:
            self._draw()

    def stage(self, name: str) -> None:
        """Say what the job does now: `listing`, `embedding`, `loading`, …"""
        self.stage_name = name
        self._say()

    @property
    def left(self) -> int:
        """Files still to do."""
        return self.total - self.tracks - self.rejected

    def status(self) -> str:
        """One line: stage, files, audio hours, × real time, how the pipeline does, what is left."""
        if self.stage_name == "listing":
            return f"listing: {self._listed:,} entries"
        with self._guard:
            elapsed_s = self._clock() - self._started
            finished = self.tracks + self.rejected
            parts = [f"{self.stage_name}: {finished:,}/{self.total:,} tracks", f"{self.audio_s / 3600:.1f} h of audio"]
            if self.audio_s and elapsed_s > 0:
                parts.append(f"{self.audio_s / elapsed_s:,.0f}× real time")
            if self.rejected:
                parts.append(f"{self.rejected:,} rejected")
            if self._flow and self.stage_name == "embedding":
                parts += self._flow.parts()
            if 0 < finished < self.total:
                parts.append(f"{clock_time(elapsed_s / finished * (self.total - finished))} left")
        return " · ".join(parts)

    def write_line(self) -> None:
        """Write the status as a line, or as an event where those are written."""
        if log.isEnabledFor(logging.INFO):
            log.info("progress", **self._figures())
        else:
            self._stream.write(f"{self.status()}\n")
            self._stream.flush()

    def _figures(self) -> dict[str, str | int | float]:
        with self._guard:
            return {
                "stage": self.stage_name,
                "listed": self._listed,
                "files": self.total,
                "done": self.tracks,
                "rejected": self.rejected,
                "audio_s": round(self.audio_s, 1),
            }

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._draw()
        threading.Thread(target=copy_context().run, args=(self._beat,), name="progress", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._spacing_s = 0.0
        self._sample()
        if self._bar:
            self._draw()
            self._bar.stop()
        else:
            self.write_line()

    def _beat(self) -> None:
        while not self._ended.wait(self._every_s):
            self._say()

    def _say(self) -> None:
        self._draw() if self._bar else self.write_line()

    def _draw(self) -> None:
        if self._bar and self._task is not None:
            finished = self.tracks + self.rejected
            self._bar.update(self._task, total=self.total or None, completed=finished, description=self.status())

    def _sample(self) -> None:
        elapsed_s = self._clock() - self._started
        if self.samples and elapsed_s < self.samples[-1].elapsed_s + self._spacing_s:
            return
        self.samples.append(Sample(round(elapsed_s, 3), self.tracks, round(self.audio_s, 1)))
        if len(self.samples) > MAX_SAMPLES:
            self.samples = self.samples[::2]
            self._spacing_s *= 2


def _bar(stream: TextIO) -> Bar:
    console, status = Console(file=stream), Column(no_wrap=False)  # on a narrow terminal over several lines
    text = TextColumn("{task.description}", markup=False, table_column=status)
    return Bar(BarColumn(bar_width=20), text, console=console, transient=False)


def clock_time(seconds: float) -> str:
    """Seconds for people.

    >>> clock_time(42), clock_time(3725), clock_time(400_000)
    ('42 s', '1 h 02 min', '4 d 15 h')
    """
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, _ = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24:02d} h"
