"""How the highest rate is searched for, what processes are called, and what the command refuses."""

import subprocess
import sys

import pytest

from ingest.errors import InfrastructureError
from scripts.load.__main__ import main
from scripts.load.filling import simulated_sizes
from scripts.load.parts import highest
from scripts.load.roles import CALLERS, RAY, Use, spent, used
from scripts.load.traffic import Reply
from scripts.load.trials import Trial, held_by, looking, settle

HELP = "highest rate"


def bearing(limit: float) -> tuple[list[float], object]:
    """The rates that are tried of a service that answers in time up to `limit`."""
    asked: list[float] = []

    def attempt(rate: float) -> Trial:
        asked.append(rate)
        reply = Reply(0.0, 100.0 if rate <= limit else 3_000.0, 200)
        return Trial(rate, [reply], 1.0, {}, 0.0)

    return asked, attempt


@pytest.mark.parametrize("first", [0.5, 7.0, 60.0])
def test_the_highest_rate_is_found_wherever_one_begins(first: float) -> None:
    """To the precision asked for, in few trials."""
    asked, attempt = bearing(10.0)
    best, trials = highest(attempt, first, precision=0.05, max_p99_ms=1_000.0)  # type: ignore[arg-type]
    assert 10 / 1.05 <= best.rate <= 10.0
    assert [trial.rate for trial in trials] == asked and len(asked) < 20


def test_a_service_that_answers_nothing_in_time_has_no_highest_rate() -> None:
    """The search ends, with an error."""
    _, attempt = bearing(0.01)
    with pytest.raises(InfrastructureError, match="within 1000 ms"):
        highest(attempt, 5.0, precision=0.05, max_p99_ms=1_000.0)  # type: ignore[arg-type]


def test_a_server_at_work_is_waited_for() -> None:
    """Until it rests; one that never does is an error."""
    looks = [1.9, 0.4, 0.1, 0.0]
    settle(lambda: looks.pop(0))
    assert looks == [0.0]
    with pytest.raises(InfrastructureError, match=r"still uses 1\.00 cores"):
        settle(lambda: 1.0, limit_s=0.01)


def test_processes_are_told_apart_by_their_command_lines() -> None:
    """Those below one that is known belong to it, and what this process uses is the callers'."""
    titles = {"a": "ray::ServeReplica:refrain:api.run", "b": "ray::ProxyActor"}
    code = "import subprocess, sys; subprocess.Popen(['sleep', '5']); print(flush=True); sys.stdin.read()"
    started = [
        subprocess.Popen(
            ["bash", "-c", f"exec -a '{title}' {sys.executable} -c \"{code}\""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for title in titles.values()
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline()
    now = used()
    for process in started:
        subprocess.run(["kill", "--", f"-{process.pid}"], check=False, capture_output=True)
        process.kill()
        process.communicate()
    assert set(now.cpu_s) >= {"API", "proxy", CALLERS} and RAY not in now.cpu_s
    assert now.memory["API"] > 10**6


def test_what_was_spent_lies_between_two_looks() -> None:
    """Of roles that are there at the end, also where they were not at the beginning."""
    assert spent(Use({"API": 1.0, "proxy": 2.0}), Use({"API": 4.0, "Milvus": 5.0})) == {"API": 3.0, "Milvus": 5.0}


def test_memory_is_looked_at_from_beginning_to_end() -> None:
    """At least twice, however short it is."""
    with looking(every_s=60.0) as looks:
        pass
    times_s, held = held_by(looks, "API")
    assert len(times_s) == len(held) == 2 and times_s[0] < times_s[1]


def test_simulated_tracks_are_cut_to_the_size() -> None:
    """All together are as many as asked for."""

    class Tracks:
        def peaks(self, number: int) -> list[int]:
            return [0] * (5 + number)

    assert simulated_sizes(Tracks(), 13) == [5, 6, 2]  # type: ignore[arg-type]
    assert simulated_sizes(Tracks(), 0) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["catalog.path=/music"], "home"),
        (["home=x"], "catalog.path"),
        (["home=x", "catalog.path=/m", "rate_s=0"], "rate_s"),
        (["home=x", "catalog.path=/m", "conditions=[loud]"], "loud"),
        (["home=x", "catalog.path=/m", "form=tape"], "tape"),
        (["home=x", "catalog.path=/m", "unknown_share=1"], "unknown_share"),
        (["home=x", "catalog.path=/m", "callers=[0]"], "callers"),
    ],
)
def test_what_cannot_work_is_one_line(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started for it."""
    assert main(options) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and said in told
