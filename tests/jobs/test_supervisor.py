"""A job in a process of its own: what comes of it however that process ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve.process_tree import read_process
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from ingest.errors import InfrastructureError
from ingest.stop import Stopped, StopSignal
from ingest.supervisor import supervised

tries = Path({tries!r})

def work():
    with tries.open("a") as file:
        file.write(f"{{os.getpid()}}\\n")
    attempt = len(tries.read_text().splitlines())
    try:
        {work}
    except Stopped:
        time.sleep({cleanup_s})
        return 143

print("before")
with StopSignal() as stop:
    try:
        code = supervised(work, {restarts})
    except InfrastructureError as error:
        print(f"{{error}}")
        code = 1
{after}
sys.exit(code)
"""


class Supervised:
    """A program whose work is a line of Python with `attempt`, counted from 1, in it."""

    def __init__(self, folder: Path, work: str, restarts: int = 2, after: str = "", cleanup_s: float = 0.0) -> None:
        self.tries = folder / "tries"
        program = PROGRAM.format(tries=str(self.tries), work=work, restarts=restarts, after=after, cleanup_s=cleanup_s)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, str, str]:
        out, said = self.process.communicate(timeout=30)
        return self.process.returncode, out, said

    def pids(self) -> list[int]:
        return [int(line) for line in self.tries.read_text().splitlines()] if self.tries.exists() else []

    def working(self) -> int:
        """The process that does the work, once it does."""
        wait_for(self.pids, 20, every_s=0.01)
        return self.pids()[-1]


@pytest.mark.parametrize("code", [0, 5, 143])
def test_what_the_work_returns_is_the_exit_code(code: int, tmp_path: Path) -> None:
    """In a process of its own, once, and nothing is printed twice."""
    job = Supervised(tmp_path, f"return {code}")
    assert job.end() == (code, "before\n", "")
    assert len(job.pids()) == 1 and job.pids() != [job.process.pid]


@pytest.mark.parametrize(
    ("death", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("os._exit(1)", "ended with exit code 1 and no word"),
        ("os._exit(0)", "ended with exit code 0 and no word"),
    ],
)
def test_a_process_that_dies_is_followed_by_another(death: str, told: str, tmp_path: Path) -> None:
    """However it died: without an exit code of its own the work is not done."""
    job = Supervised(tmp_path, f"return {death} if attempt < 3 else 0")
    line = f"ingest: the job's process {told}; another one goes on from here\n"
    assert job.end() == (0, "before\n", line * 2)
    assert len(set(job.pids())) == 3


@pytest.mark.parametrize("restarts", [0, 1])
def test_one_that_dies_each_time_is_given_up(restarts: int, tmp_path: Path) -> None:
    """After as many as are allowed, with the code of what can be run again."""
    job = Supervised(tmp_path, "os.abort()", restarts)
    code, out, said = job.end()
    assert code == 1 and len(job.pids()) == restarts + 1
    assert f"was ended by SIGABRT, the last of {restarts + 1}; the same command goes on from here" in out
    assert said.count("another one goes on") == restarts


def test_a_death_after_the_work_is_none(tmp_path: Path) -> None:
    """What was done is done, whatever the interpreter meets while it ends."""
    died = "if os.getpid() == int(tries.read_text()): os.kill(os.getpid(), signal.SIGSEGV)"
    job = Supervised(tmp_path, "return 5", after=died)
    assert job.end() == (5, "before\n", "")
    assert len(job.pids()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_passed_on(number: signal.Signals, tmp_path: Path) -> None:
    """The work stops as it would without a parent, and is waited for."""
    job = Supervised(tmp_path, "time.sleep(60)", cleanup_s=0.3)
    pid = job.working()
    job.process.send_signal(number)
    assert job.end()[0] == 143
    assert job.pids() == [pid] and not Path(f"/proc/{pid}").exists()


def test_a_second_stop_ends_it_at_once(tmp_path: Path) -> None:
    """As it does where nobody is in between; what did not clean up has no exit code, and is not begun again."""
    job = Supervised(tmp_path, "time.sleep(60)", cleanup_s=60)
    job.working()
    for _ in range(2):
        job.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    assert job.end()[0] == 143
    assert len(job.pids()) == 1


def test_a_death_while_it_stops_is_a_stop(tmp_path: Path) -> None:
    """Nobody wants another one then."""
    job = Supervised(tmp_path, "time.sleep(60)", cleanup_s=60)
    pid = job.working()
    job.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    os.kill(pid, signal.SIGSEGV)
    assert job.end()[0] == 143
    assert len(job.pids()) == 1


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Or two jobs would soon work on one catalogue."""
    job = Supervised(tmp_path, "time.sleep(60)")
    process = read_process(job.working())
    assert process is not None
    job.process.kill()
    job.end()
    wait_for(lambda: not process.alive, 5, every_s=0.01)


def test_a_terminals_stop_comes_once(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group, in which the work is not: it hears it from its parent alone."""
    job = Supervised(tmp_path, "time.sleep(60)")
    pid = job.working()
    assert os.getpgid(pid) == pid != os.getpgid(job.process.pid)
    job.process.send_signal(signal.SIGINT)
    job.end()
