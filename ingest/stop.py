"""How a job ends: exit codes, and SIGTERM as an exception."""

import os
import signal
import threading
from enum import IntEnum
from types import FrameType
from typing import Self

from ingest.errors import ConfigurationError, ErrorBudgetSpent, PreflightError, RefrainError

STOPS = (signal.SIGTERM, signal.SIGINT)


class ExitCode(IntEnum):
    """The exit codes of the contract."""

    DONE = 0
    INFRASTRUCTURE = 1  # resumable
    CONFIGURATION = 2
    PREFLIGHT = 3  # or the catalogue is locked
    ERROR_BUDGET = 4
    REJECTS = 5  # done, but some files stand rejected
    STOPPED = 143  # SIGTERM, resumable

    @classmethod
    def of_error(cls, error: RefrainError) -> "ExitCode":
        if isinstance(error, ConfigurationError):
            return cls.CONFIGURATION
        if isinstance(error, PreflightError):
            return cls.PREFLIGHT
        return cls.ERROR_BUDGET if isinstance(error, ErrorBudgetSpent) else cls.INFRASTRUCTURE


class Stopped(BaseException):
    """SIGTERM or Ctrl-C came; no Exception, as KeyboardInterrupt is none: error handling must not eat it."""


class StopSignal:
    """While armed, the first SIGTERM or SIGINT raises Stopped in the main thread, a second ends the process.

    Ray installs a handler of its own when it connects: call `arm()` again after `ray.init`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, object] = {}

    def arm(self) -> None:
        """Take the signals (again). Does nothing outside the main thread, where Python forbids it."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOPS:
            before = signal.signal(number, self._on_signal)
            self._before.setdefault(number, before)

    def check(self) -> None:
        """Raises Stopped if a signal came, also if the first Stopped was lost (in a destructor, say)."""
        if self.requested:
            raise Stopped

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(ExitCode.STOPPED)
        self.requested = True
        raise Stopped

    def __enter__(self) -> Self:
        self.arm()
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal gave back
        self._before.clear()
