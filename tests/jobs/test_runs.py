"""The run directory: whole at every moment, readable afterwards, without secrets."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from ingest.runs import DURATION_EDGES_S, RunRecord, latest_runs, read_run
from ingest.stores import Work
from tests.jobs.records import a_run, directory, finished


def test_a_record_survives_json(tmp_path: Path) -> None:
    """What is written is what is read, types included."""
    record = finished(a_run(tmp_path)).record
    assert RunRecord.from_json(record.to_json()) == record
    assert latest_runs(tmp_path, "default", 1)[0].record == record


def test_a_record_of_another_version_is_read(tmp_path: Path) -> None:
    """Fields that came or went since do not keep an old home from being read."""
    record = finished(a_run(tmp_path)).record
    written = json.loads(record.to_json())
    del written["first_rejects"], written["counts"]["published"]
    written["future"] = written["counts"]["future"] = 1
    read = RunRecord.from_json(json.dumps(written))
    assert (read.run_id, read.counts.done, read.counts.published, read.first_rejects) == (record.run_id, 3, 0, [])


def test_the_configuration_is_written_without_secrets(tmp_path: Path) -> None:
    """config.yaml and report.json hold the resolved options, and no password or token."""
    run = a_run(tmp_path, "vectors.token=hunter2", "metadata.url=mysql+pymysql://me:hunter2@db/x", "catalog.name=mine")
    for file in directory(run).iterdir():
        assert "hunter2" not in file.read_text()
    written = yaml.safe_load((directory(run) / "config.yaml").read_text())
    assert written["catalog"]["name"] == "mine"
    assert written["vectors"]["token"] == "***"


def test_the_versions_are_those_that_ran(tmp_path: Path) -> None:
    """Python and the packages that decide results are named with their versions."""
    versions = a_run(tmp_path).record.versions
    assert versions["python"].split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    assert "not installed" not in versions.values()


def test_rejects_are_a_csv_and_counted_by_code(tmp_path: Path) -> None:
    """rejects.csv gives back every uri and reason as they were, whatever they hold."""
    run = a_run(tmp_path)
    with (directory(run) / "rejects.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["uri", "code", "reason"], ["/music/<b>.mp3", "unreadable", "no decoder, and a\nnew line"]]
    assert (run.record.counts.rejected, run.record.reject_codes) == (1, {"unreadable": 1})


def test_removed_tracks_are_a_csv(tmp_path: Path) -> None:
    """removed.csv names every track by id and uri, whatever that holds, and the record counts them."""
    run = a_run(tmp_path)
    run.set_removed((number, uri) for number, uri in ((3, '/music/a, "b".mp3'), (7, "/music/c.mp3")))
    with (directory(run) / "removed.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["track_id", "uri"], ["3", '/music/a, "b".mp3'], ["7", "/music/c.mp3"]]
    assert run.record.counts.gone == 2


def test_stages_are_timed_also_when_they_fail(tmp_path: Path) -> None:
    """A stage's time is in the saved record however the stage ended, and repeated stages add up."""
    run = a_run(tmp_path)
    with pytest.raises(ZeroDivisionError), run.stage("verify"):
        raise ZeroDivisionError
    before = run.record.stages_s["verify"]
    with run.stage("verify"):
        pass
    assert 0 < before < read_run(run.files).record.stages_s["verify"]


def test_durations_are_binned_with_closed_lower_edges(tmp_path: Path) -> None:
    """A file of exactly an edge's length counts above it; the last bin is open."""
    record = a_run(tmp_path).record
    record.durations = [0] * len(record.durations)
    for duration_s in (0.0, DURATION_EDGES_S[0], DURATION_EDGES_S[-1], 1e9):
        record.add_duration(duration_s)
    assert (record.durations[0], record.durations[1], record.durations[-1]) == (1, 1, 2)
    assert sum(record.durations) == 4


def test_a_killed_run_is_interrupted(tmp_path: Path) -> None:
    """A record that says running, of a process that is gone, is read as interrupted; of one that lives, as running."""
    run = a_run(tmp_path)
    assert read_run(run.files).record.state == "running"
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run.record.pid = process.pid
    run.save()
    assert read_run(run.files).record.state == "interrupted"


def test_the_newest_runs_of_a_catalogue_come_first(tmp_path: Path) -> None:
    """Runs of other catalogues and directories that are no runs are passed over."""
    older, newer, other = a_run(tmp_path), a_run(tmp_path), a_run(tmp_path, "catalog.name=other")
    directory(newer).rename((tmp_path / "runs") / "99990101T000000Z-ffffff")
    ((tmp_path / "runs") / "99990102T000000Z-empty").mkdir()
    found = latest_runs(tmp_path, "default", 5)
    assert [run.record.run_id for run in found] == [newer.record.run_id, older.record.run_id]
    assert [run.record.run_id for run in latest_runs(tmp_path, "other", 5)] == [other.record.run_id]
    assert latest_runs(tmp_path / "nowhere", "default", 5) == []


def test_text_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    """A name from the file system that UTF-8 does not hold stands escaped in its file."""
    run = a_run(tmp_path)
    run.write("x.txt", "caf\udce9")
    assert (directory(run) / "x.txt").read_text() == "caf\\udce9"


def test_a_run_lies_wherever_the_home_does() -> None:
    """Record, CSVs and manifest are written to any file system, and read back from there."""
    run = finished(a_run("memory://home"))
    run.set_removed([(1, "a.mp3")])
    run.save()
    (found,) = latest_runs("memory://home", "default", 5)
    assert found.record == run.record
    assert run.put_manifest([Work(1, 1, "a.mp3", "1", 10), Work(2, 2, "b.mp3", "1", 10)]) == 2
    assert pq.read_table(io.BytesIO(run.files.read("manifest.parquet"))).column("uri").to_pylist() == ["a.mp3", "b.mp3"]
    assert run.files.read("rejects.csv").startswith(b"uri,code,reason")
    assert run.files.read("removed.csv").split() == [b"track_id,uri", b"1,a.mp3"]
    assert latest_runs("memory://elsewhere", "default", 5) == []


def test_utilisation_is_the_share_of_time_that_actors_worked(tmp_path: Path) -> None:
    """Three seconds of two decoders in two seconds of embedding are three quarters."""
    record = a_run(tmp_path).record
    record.busy_s, record.actors, record.stages_s = {"decode": 3.0, "embed": 1.0}, {"decode": 2}, {"embed": 2.0}
    assert record.utilisation() == {"decode": 0.75, "embed": 0.5}
    record.stages_s = {}
    assert record.utilisation() == {}
