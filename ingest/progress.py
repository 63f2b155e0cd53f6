"""How far a job is: a live bar on a terminal, a line now and then elsewhere."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as LiveBar

from ingest.runs import Sample

MAX_SAMPLES = 512  # of the throughput curve; beyond it every second one is dropped


class Progress:
    """Context manager around the work of one run.

    `total` is the number of files to do; `clock` counts seconds.
    """

    def __init__(
        self,
        total: int,
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
        self._every_s = every_s
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started = clock()
        self._bar: LiveBar | None = None
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._beat: threading.Thread | None = None

    def advance(self, tracks: int = 0, audio_s: float = 0.0, rejected: int = 0) -> None:
        """Count files that came through, their seconds of audio, and files that were rejected."""
        raise NotImplementedError

    def stage(self, name: str) -> None:
        """What the job does now: `embedding`, `loading`, …"""
        raise NotImplementedError

    def summary(self) -> str:
        """One line for the end of the job."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
