"""The processes below this one, read from /proc: what was started must be gone at the end."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05


@dataclass(frozen=True)
class Process:
    """One process; its start time tells it from a later one with the same number."""

    pid: int
    parent: int
    session: int
    started: int  # clock ticks since boot
    zombie: bool
    cpu_s: float = 0.0  # used so far

    @property
    def alive(self) -> bool:
        now = read_process(self.pid)
        return now is not None and now.started == self.started and not now.zombie


PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def adopt_orphans() -> None:
    """Make this process, not init, the parent of whatever its descendants leave behind, so that it is found below."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def read_process(pid: int) -> Process | None:
    """What /proc says, or None when there is no such process."""
    try:
        # The name, in parentheses, may hold anything, also parentheses and spaces.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0] in (b"Z", b"X"), cpu_s)


def descendants(pid: int) -> list[Process]:
    """All living processes below `pid` that are in its session: one that left the session is on its own."""
    session = os.getsid(pid)
    return [process for process in below(pid) if process.session == session]


def below(pid: int) -> list[Process]:
    """All processes below `pid`, whatever their session."""
    found = [read_process(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    processes = [process for process in found if process is not None]
    known = {pid}
    size = 0
    while len(known) > size:
        size = len(known)
        known |= {process.pid for process in processes if process.parent in known}
    return [process for process in processes if process.pid in known - {pid}]


def end(processes: Iterable[Process], patience_s: float) -> None:
    """Wait for processes to go; those that stay are asked with SIGTERM, then killed."""
    remaining = [process for process in processes if process.alive]
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        for process in remaining:
            if number is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        deadline = time.monotonic() + patience_s
        while remaining and time.monotonic() < deadline:
            time.sleep(POLL_S)
            remaining = [process for process in remaining if process.alive]
