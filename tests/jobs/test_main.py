"""`python -m ingest`: actions, what is printed where, and exit codes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.config import IngestConfig
from ingest.errors import (
    CatalogLocked,
    ConfigurationError,
    ErrorBudgetSpent,
    InfrastructureError,
    PreflightError,
    VerificationError,
)
from ingest.runs import RunRecord
from ingest.stop import StopSignal
from ingest.stores import Done, MetadataConfig, Reject, SourceFile, open_metadata
from tests.jobs.records import a_run, finished
from tests.jobs.sources import write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    write(tmp_path / "music" / "a.mp3")
    return tmp_path / "music"


def job(home: Path, rejected: int = 1) -> Callable[[IngestConfig, StopSignal], RunRecord]:
    """A job that does nothing but say it ran."""

    def run(config: IngestConfig, stop: StopSignal) -> RunRecord:
        record = finished(a_run(home)).record
        record.counts.rejected = rejected
        return record

    return run


def failing(error: BaseException) -> Callable[[IngestConfig, StopSignal], RunRecord]:
    def run(config: IngestConfig, stop: StopSignal) -> RunRecord:
        raise error

    return run


def never(config: IngestConfig, stop: StopSignal) -> RunRecord:
    raise AssertionError("this action runs no job")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["home=h", "-h"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """--help prints the usage and succeeds; no arguments print it on stderr and are a configuration error."""
    code = main(arguments, never)
    printed = capsys.readouterr()
    assert code == (0 if arguments else 2)
    text = printed.out if arguments else printed.err
    for word in (
        "catalog.path=",
        "action=retry_failed",
        "Exit codes:",
        "vectors=milvus|milvus_lite",
        "compute.embed_batch=",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("rejected", "on_rejects", "code"), [(0, "exit5", 0), (1, "exit5", 5), (1, "exit0", 0), (0, "exit0", 0)]
)
def test_a_run_ends_with_a_summary_and_its_code(
    rejected: int, on_rejects: str, code: int, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last lines say what was done and where the report lies; rejects give 5 unless on_rejects=exit0."""
    arguments = [f"home={tmp_path / 'home'}", f"catalog.path={music}", f"on_rejects={on_rejects}"]
    assert main(arguments, job(tmp_path / "home", rejected)) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("rejected: /music/<b>.mp3: no decoder")
    assert "3 tracks, 0.2 h of audio" in lines[-2]
    assert Path(lines[-1].removeprefix("report: ")).parent.is_dir()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x\ny"), 2),
        (PreflightError("x\ny"), 3),
        (CatalogLocked("x\ny"), 3),
        (ErrorBudgetSpent("x\ny"), 4),
        (InfrastructureError("x\ny"), 1),
        (VerificationError("x\ny"), 1),
    ],
)
def test_every_error_has_its_code_and_one_line(
    error: Exception, code: int, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of ours is one line on stderr and the exit code of the contract."""
    assert main([f"home={tmp_path / 'home'}", f"catalog.path={music}"], failing(error)) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "ingest: x y\n")


def test_an_error_that_is_not_ours_is_not_hidden(music: Path, tmp_path: Path) -> None:
    """A defect keeps its traceback, and an exit that is no signal stays what it is."""
    arguments = [f"home={tmp_path / 'home'}", f"catalog.path={music}"]
    with pytest.raises(ZeroDivisionError):
        main(arguments, failing(ZeroDivisionError()))
    with pytest.raises(SystemExit):
        main(arguments, failing(SystemExit(7)))


def test_an_exit_by_rays_own_handler_is_a_stop(music: Path, tmp_path: Path) -> None:
    """Ray answers SIGTERM with sys.exit(15) until the signal is armed again; that is 143 as well."""
    arguments = [f"home={tmp_path / 'home'}", f"catalog.path={music}"]
    assert main(arguments, failing(SystemExit(signal.SIGTERM))) == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_job(number: signal.Signals, music: Path, tmp_path: Path) -> None:
    """SIGTERM and Ctrl-C end a job at once with 143, past everything that handles errors, and cleanup runs."""
    cleaned = []

    def run(config: IngestConfig, stop: StopSignal) -> RunRecord:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        except Exception as error:
            raise AssertionError from error
        finally:
            cleaned.append(stop.requested)
        raise AssertionError

    before = signal.getsignal(number)
    assert main([f"home={tmp_path / 'home'}", f"catalog.path={music}"], run) == 143
    assert cleaned == [True]
    assert signal.getsignal(number) == before


def test_a_stop_that_was_lost_is_noticed_later(music: Path, tmp_path: Path) -> None:
    """When the exception was swallowed somewhere, the next check raises it again."""

    def run(config: IngestConfig, stop: StopSignal) -> RunRecord:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except BaseException:  # noqa: BLE001  a library that eats everything
            stop.check()
        raise AssertionError

    assert main([f"home={tmp_path / 'home'}", f"catalog.path={music}"], run) == 143


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["home=h"], "catalog.path is not given: say catalog.path=… with catalog=folder"),
        (["home=h", "catalog.path="], "catalog.path is not given"),
        (["home=h", "catalog.path=nowhere"], "catalog.path 'nowhere' cannot be read: No such file"),
        (["home=h", "catalog=manifest", "catalog.path=music"], "catalog.path 'music'"),
        (["catalog.path=music"], "home is not given"),
        (["home=", "catalog.path=music"], "home is empty"),
        (["home=music/a.mp3", "catalog.path=music"], "home 'music/a.mp3' is not a folder"),
        (["home=music/a.mp3/h", "catalog.path=music"], "home 'music/a.mp3/h' cannot be created"),
        (["home=h", "action=status"], "home 'h' does not exist: nothing was ingested there"),
        (["home=h", "action=report"], "home 'h' does not exist"),
        (["home=music", "action=report"], "there is no run of catalogue 'default'"),
        (["home=h", "catalog.path=music", "catalog.name=a b"], "catalog.name 'a b' must be"),
        (["home=h", "catalog.path=music", "encoder.weights=w"], "encoder.weights: there is no file 'w'"),
        (["home=h", "catalog.path=music", "compute.embed_batch=0"], "compute.embed_batch must lie between 1 and"),
        (
            ["home=h", "catalog.path=music", "audio.window_s=nan"],
            "audio.window_s must lie between 10 and 3600, not nan",
        ),
        (["home=h", "catalog.path=music", "error_budget=5"], "error_budget must lie between 0 and 1, not 5"),
    ],
)
def test_configuration_errors_are_one_line_and_2(
    arguments: list[str], words: str, music: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot work is said before anything is written: one readable line, exit 2, no home made."""
    monkeypatch.chdir(music.parent)
    assert main(arguments, never) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ingest: ")
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in music.parent.iterdir()] == ["music"]


def test_plan_counts_what_a_run_would_do(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan of a fresh home finds everything new, of a known catalogue only what no run has done."""
    home = tmp_path / "home"
    arguments = [f"home={home}", f"catalog.path={music}", "action=plan"]
    assert main(arguments, never) == 0
    assert "1 new · 0 changed · 0 unchanged" in capsys.readouterr().out
    populate(home, str(music / "a.mp3"))
    assert main(arguments, never) == 0
    assert "0 new · 1 changed · 0 unchanged · 1 removed" in capsys.readouterr().out


def populate(home: Path, uri: str) -> None:
    """A catalogue of one track that is done, one rejected, one pending, and the run that did it."""
    run = finished(a_run(home))
    encoder = run.record.model_checksum or ""
    with open_metadata(MetadataConfig(), home) as metadata:
        store = metadata.catalog("default")
        store.start_run(run.record.run_id, "run")
        store.register([SourceFile(name, "1", 1) for name in (uri, f"{uri}.bad")], run.record.run_id)
        first, second = store.pending(encoder)
        done = Done(first.recording_id, 10, 1, ("f.parquet",), 3600.0)
        store.commit(encoder, [done], [Reject(second.recording_id, "silent", "nothing above −60 dBFS")], "r")
        store.finish_run(run.record.run_id, "done", {"done": 1, "rejected": 1})


def test_status_tells_catalogue_rejects_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, rejects by code and the last runs are on one screen."""
    populate(tmp_path, "/music/a.mp3")
    assert main([f"home={tmp_path}", "action=status"], never) == 0
    text = capsys.readouterr().out
    for words in (
        "2 present",
        "1 done, 1 rejected, 0 to do",
        "1.0 h, 10 vectors",
        "1 silent",
        "done: 1 done, 1 rejected",
    ):
        assert words in text


def test_status_of_an_unknown_catalogue_names_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong catalog.name is answered with those that exist."""
    populate(tmp_path, "/music/a.mp3")
    assert main([f"home={tmp_path}", "action=status", "catalog.name=jazz"], never) == 2
    assert "there is no catalogue 'jazz' yet; there are: default" in capsys.readouterr().err


def test_report_prints_the_last_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """action=report prints the text of the last run and where its page lies."""
    run = finished(a_run(tmp_path))
    assert main([f"home={tmp_path}", "action=report"], never) == 0
    out = capsys.readouterr().out
    assert run.record.run_id in out
    assert Path(out.splitlines()[-1]).read_text().startswith("<!doctype html>")


def test_the_command_line_is_the_process(tmp_path: Path) -> None:
    """As a process: hostile paths arrive, nothing lies outside home, and a plan loads neither Ray nor torch."""
    path = tmp_path / "My Songs (2020), [x] #1 ~ ${y}='"
    path.mkdir()
    code = "import sys, runpy; sys.argv[0] = 'ingest'\ntry: runpy.run_module('ingest', run_name='__main__')\n"
    code += "finally: print(sorted({'ray', 'torch'} & set(sys.modules)))"
    arguments = [f"home={path / 'home'}", f"catalog.path={path}", "action=plan"]
    process = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert "to do        nothing" in process.stdout
    assert process.stdout.splitlines()[-1] == "[]"
    assert [entry.name for entry in path.iterdir()] == ["home"]
