"""What was measured, as a section; and the whole measurement once, small."""

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.bulk_cost import Loading
from scripts.load.__main__ import main
from scripts.load.options import read_options
from scripts.load.parts import Half, Overload, Watched
from scripts.load.report import Found, lines
from scripts.load.roles import Use
from scripts.load.traffic import Reply
from scripts.load.trials import Look, Trial
from tests.system.catalogue import write_pieces

STAGES = {"decode": 5.0, "embed": 20.0, "search": 15.0, "match": 8.0, "lookup": 1.0, "total": 50.0}
GOOD = Reply(0.5, 80.0, 200, answered=True, timings_ms=STAGES)
FULL = Reply(0.7, 3.0, 429, "too_many_requests", retry_after=True)
LOADING = Loading(90.0, 59.0, 1.0, 0.1, 75.0, vectors=703_125, self_recall=0.995)


def trial(rate: float, *replies: Reply) -> Trial:
    """Of ten seconds, in which the API used four and the callers one, others three."""
    return Trial(rate, list(replies), 10.0, {"API": 4.0, "Milvus": 1.0, "callers": 1.0}, 9.0)


def found() -> Found:
    looks = [Look(60.0 * n, Use({}, {"API": 10**8 + 10**6 * n})) for n in range(21)]
    best, over = trial(8.0, *[GOOD] * 80), trial(40.0, *[GOOD] * 90, *[FULL] * 310)
    return Found(
        LOADING,
        trial(0.0),
        {1: trial(0.0, GOOD)},
        [trial(10.0, replace(GOOD, latency_ms=3_000.0)), best],
        best,
        Half(trial(4.0, *[GOOD] * 40), STAGES),
        Overload(Watched(over, looks), trial(4.0, FULL, GOOD)),
        Watched(trial(4.0, GOOD), looks),
        {"1 in turn": trial(0.0, GOOD), "4.0 a second": trial(4.0, *[GOOD] * 40)},
    )


def test_every_figure_stands_where_its_name_says() -> None:
    """Rates, CPU by process, stages, overload with what it turned away, and what memory grew by in an hour."""
    config = read_options(["home=x", "catalog.path=/music", "serve=[bounds.waiting=16]"])
    text = "\n".join(lines(config, found()))
    assert "703,125 vectors (100 h of audio" in text and "and bounds.waiting=16:" in text
    assert "| **8.0 a second, the highest** | 8.0 | 80 | 80 | 0.0% | 0.0% | 100.0% |" in text
    assert "| 10.0 a second | 0.1 | 3000 | 3000 |" in text and text.count("8.0 a second, the highest") == 1
    assert "0.50 of" in text and "0.30 with other programs; most of it with API, 0.40." in text
    assert "| API | 400 | 50.0 | 100.0 | 100.0 |" in text
    assert "| **all but the callers** | 500 | 62.5 | 125.0 | 125.0 |" in text
    assert "| embed | 20.0 | 20.0 | 20.0 | 20.0 |" in text
    assert "| around it: HTTP, proxy, queues | 30.0 | 30.0 | 30.0 |  |" in text
    assert "Turned away: 77.5% (310 × 429 too_many_requests), p50 3 ms" in text
    assert "was due after 0.7 s." in text
    assert "| API | 100 | 120 |" in text
    assert "| API | 102 | 120 | 60.0 |" in text


def test_what_was_not_asked_for_is_not_told() -> None:
    """Neither overload nor soak."""
    config = read_options(["home=x", "catalog.path=/music"])
    text = "\n".join(lines(config, replace(found(), overload=None, soak=None, noop={})))
    assert "Overload" not in text and "Soak" not in text and "no-op" not in text


@pytest.mark.integration
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_service_is_measured_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Servers are filled and the service is asked in every way; a second time the servers are there."""
    write_pieces(tmp_path / "music", 4, 40.0)
    options = [f"catalog.path={tmp_path / 'music'}", f"home={tmp_path / 'home'}", "vectors=2000", "clips=8"]
    short = ["rate_s=3", "callers=[1]", "idle_s=1", "precision=1", "max_p99_ms=20000", "overload_s=3", "recovery_s=3"]
    assert main([*options, *short, "soak_s=6"]) == 0
    told = capsys.readouterr()
    assert "filling" in told.err and "2,000 vectors" in told.out
    for part in ("the highest", "**Overload**", "**Soak**", "no-op, 1 in turn", "mean, by /metrics"):
        assert part in told.out
    assert main([*options, *short, "overload_s=0", "soak_s=0", "noop=false"]) == 0
    assert "filling" not in capsys.readouterr().err
