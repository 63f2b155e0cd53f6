"""What processes hold and use, seen from outside: those that work, those that are gone, and a server's."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from scripts.footprint import Peak, Processes

BUSY = "x = bytearray(b'a' * 50_000_000)\nprint(flush=True)\nwhile True: pass"


@pytest.fixture
def busy() -> Iterator[Processes]:
    """A process that holds 50 MB and computes."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield Processes((process.pid,))
        process.kill()


def test_the_cpu_and_memory_of_processes_are_read(busy: Processes) -> None:
    """A process that computes is seen to, and its memory; two are more than one."""
    before = busy.cpu_s()
    time.sleep(0.5)
    assert busy.cpu_s() > before + 0.05
    private, mapped = busy.memory()
    assert private > 50e6 and 0 < mapped < 50e6
    assert Processes(busy.pids * 2).memory()[0] > private


def test_a_peak_outlives_its_process(busy: Processes) -> None:
    """What was seen is kept when less is seen afterwards, also nothing."""
    peak = Peak()
    peak.look(busy)
    assert peak.resident > peak.private > 50e6
    seen = Peak(peak.resident, peak.private)
    peak.look(Processes((2**22,)))  # a number that Linux gives to nobody
    assert peak == seen


def test_a_process_that_is_gone_holds_and_uses_nothing() -> None:
    """Neither as a zombie, nor when its number is nobody's."""
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout and not process.stdout.read()
        time.sleep(0.2)
        assert Processes((process.pid,)).memory() == (0, 0)
    gone = Processes((2**22,))
    assert (gone.cpu_s(), gone.memory()) == (0, (0, 0))
