"""The cost of a job, reckoned from two: what is between them, and what both begin with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.fingerprint import decode
from scripts.throughput import (
    FILE_S,
    Job,
    cpu_below,
    decoding_s_an_hour,
    growth,
    long_file,
    marginal,
    memory,
    table,
    write_sources,
)


def test_the_marginal_cost_is_what_lies_between() -> None:
    """Four hours more for 24 CPU seconds more are six an hour, 600 × real time; the rest is start-up."""
    jobs = [Job(1.0, 36.0, 30.0, 1.0), Job(5.0, 60.0, 42.0, 3.0)]
    found = marginal("wav", 2, jobs, decode_s=4.5)
    assert (found.x_real_time, found.of_decoding) == (600.0, 0.75)
    assert (found.start_cpu_s, found.wall_s_an_hour, found.load_s) == (30.0, 3.0, 3.0)


def test_the_table_compares_one_core_with_two() -> None:
    """A row a form and number of cores, and how much faster two are."""
    one = marginal("wav", 1, [Job(1.0, 36.0, 40.0, 1.0), Job(5.0, 60.0, 64.0, 3.0)], 4.5)
    two = marginal("wav", 2, [Job(1.0, 36.0, 30.0, 1.0), Job(5.0, 60.0, 42.0, 3.0)], 4.5)
    text = table([one, two], [1.0, 5.0])
    assert "| wav | 2 | 600 | 75% | 1,200 | 30 | 3.0 |" in text
    assert "Two cores are 2.00 times as fast" in text
    assert "times as fast" not in table([two], [1.0, 5.0])


def test_growth_and_memory_are_tables() -> None:
    """What an hour costs from one size to the next, and what actors take with one long file."""
    jobs = [Job(1.0, 50.0, 30.0, 1.0), Job(5.0, 70.0, 42.0, 3.0, {"decode": 123.4, "lake": 80.0})]
    assert growth(jobs)[-2:] == ["| 1 | 50 | |", "| 5 | 70 | 5.00 |"]
    assert memory([10.0], jobs[1:])[-1] == "| 10 h | 123 | 0 | 80 |"
    assert growth(jobs[:1]) == memory([], []) == []


def test_a_long_file_is_as_long_as_it_says(tmp_path: Path) -> None:
    """Written a piece at a time."""
    assert decode(long_file(tmp_path / "long.wav", 0.05)).duration_s == pytest.approx(180.0, abs=0.2)


@pytest.mark.parametrize("form", ["wav", "vorbis"])
def test_sources_play_as_long_as_they_say(form: str, tmp_path: Path) -> None:
    """Files of different music, in the form asked for, that decode to their length."""
    paths = write_sources(tmp_path / form, form)
    assert len({path.read_bytes() for path in paths}) == len(paths)
    assert decode(paths[0]).duration_s == pytest.approx(FILE_S, abs=0.2)
    assert decoding_s_an_hour(paths[:1]) > 0


def test_the_cpu_of_all_processes_below_is_seen() -> None:
    """Also of one whose parent does not wait for it, as long as it lives."""
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('x', flush=True)"
    idle = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {burn + '; time.sleep(9)'!r}])"
    with subprocess.Popen([sys.executable, "-c", f"{idle}; time.sleep(9)"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"x\n"
        used = cpu_below(os.getpid())
        for pid, _ in used:
            os.kill(pid, signal.SIGKILL)
    assert sum(used.values()) >= 0.3
