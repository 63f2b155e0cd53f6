"""A job in a process of its own: where that one dies, another goes on from what is committed.

The driver holds much native code, Ray's above all, and that may end its process with nobody asked: by a signal (Ray's
threads while it shuts down), or with an exit of its own (Ray's once the node is gone).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

from ingest.errors import InfrastructureError
from ingest.stop import STOPS, ExitCode

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_LIBC = ctypes.CDLL(None)  # loaded here: a process that was just forked may not be able to


def supervised(work: Callable[[], int], restarts: int) -> int:
    """Do `work` in a forked process, and again where that dies before it has an exit code; the code, in both processes.

    Call it while there are no other threads. What asks this process to stop is passed on. Raises InfrastructureError
    once `restarts` more processes have died as well.
    """
    for left in range(restarts, -1, -1):
        parent, (reading, writing) = os.getpid(), os.pipe()
        sys.stdout.flush()  # or both have what waits there
        with ExitStack() as until_it_ends:
            with _held():
                pid = os.fork()
                if pid:
                    stops = until_it_ends.enter_context(_passed_on(pid))
                else:
                    _belong_to(parent)
            if not pid:
                code = work()
                os.write(writing, bytes([code]))
                return code
            status = os.waitpid(pid, 0)[1]
        os.close(writing)
        with os.fdopen(reading, "rb") as answers:
            answer = answers.read()
        if answer:
            return answer[0]
        if stops:
            return ExitCode.STOPPED
        died = f"the job's process {_ending(status)}"
        if left:
            print(f"ingest: {died}; another one goes on from here", file=sys.stderr)
    raise InfrastructureError(f"{died}, the last of {restarts + 1}; the same command goes on from here")


def end_with_parent(ending: signal.Signals) -> None:
    """Have this process, just forked, be sent that signal when its parent is gone; on Linux."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, ending)


@contextmanager
def _held() -> Iterator[None]:
    """What asks this process to stop waits until the end, for whoever answers it then."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _passed_on(pid: int) -> Iterator[list[int]]:
    """What asks this process to stop asks that one; the signals that came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        came.append(number)
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    before = {number: signal.signal(number, pass_on) for number in STOPS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _belong_to(parent: int) -> None:
    """A terminal's Ctrl-C comes through the parent alone, once; and where that is killed, this process ends as well."""
    os.setpgid(0, 0)
    end_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(ExitCode.INFRASTRUCTURE)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code} and no word"
