"""Killed at any moment of its work and run again, a job ends as an undisturbed one."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.config import EncoderConfig
from ingest.model import read_model
from ingest.runs import latest_runs
from ingest.stores import CatalogStore, MetadataConfig, open_metadata
from tests.stores.disks import grow, small_disk
from tests.stores.lite import kill_server, server_pid
from tests.system.catalogue import Left, command, environment, ingest, left_in, named_files, write_pieces

pytestmark = pytest.mark.integration

# A file a block, two a lake file, one recording a load: as many moments to be killed at as there are files.
FINE = ("compute.block_rows=1", "compute.embed_batch=1", "compute.sink_windows=2", "compute.load_batch=1")
FILES = 6
Reached = Callable[[CatalogStore, str], bool]


def embedded(files: int) -> Reached:
    return lambda catalog, encoder: catalog.counts(encoder).done >= files


def loaded_some(catalog: CatalogStore, encoder: str) -> bool:
    generation = catalog.generation(encoder)
    return generation is not None and catalog.loaded_segments(generation.generation_id) > 0


def lake_file_unnamed(home: Path) -> Reached:
    """A file is durable, and its row may not be: the moment between the two."""
    return lambda catalog, encoder: any((home / "lake").rglob("*.parquet"))


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resumed") / "music"
    write_pieces(folder, FILES, duration_s=20.0)
    return folder


@pytest.fixture(scope="module")
def undisturbed(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    done = ingest(home, music, *FINE)
    assert done.returncode == 0, done.stderr
    return left_in(home, _uris(music))


@pytest.mark.parametrize(
    "moment",
    [
        "half embedded",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("first lake file", "a row in the ledger", "while loading")
        ),
    ],
)
def test_killed_and_run_again(moment: str, music: Path, undisturbed: Left, tmp_path: Path) -> None:
    """SIGKILL at a moment of the work, then the same command: the same keys, counts and metadata."""
    home = tmp_path / "home"
    reached: Reached = {
        "first lake file": lake_file_unnamed(home),
        "a row in the ledger": embedded(1),
        "half embedded": embedded(FILES // 2),
        "while loading": loaded_some,
    }[moment]
    _kill_at(reached, home, music, signal.SIGKILL)
    resumed = ingest(home, music, *FINE)
    assert resumed.returncode == 0, resumed.stderr
    _assert_same(home, music, undisturbed)


def test_milvus_is_away_while_files_are_embedded(music: Path, undisturbed: Left, tmp_path: Path) -> None:
    """What is loaded beside embedding needs it, embedding does not: every file is in the ledger when the job names it
    and ends with exit 1; once it is back the same command has only loading to do.
    """
    home = tmp_path / "home"
    with _begun(home, music) as (job, catalog, encoder):
        _wait(job, lambda: catalog.generation(encoder) is not None)  # what is loaded early has somewhere to go
        with _no_milvus(home):
            assert catalog.counts(encoder).done < FILES
            said = job.communicate(timeout=240)[1]
        assert job.returncode == 1 and "Milvus Lite" in said, said
        assert catalog.counts(encoder).done == FILES
    resumed = ingest(home, music, *FINE)
    assert resumed.returncode == 0 and "0 tracks, 0.0 h of audio" in resumed.stdout, resumed.stdout + resumed.stderr
    _assert_same(home, music, undisturbed)


def test_sigterm_ends_cleanly_and_resumably(music: Path, undisturbed: Left, tmp_path: Path) -> None:
    """SIGTERM in the middle: exit 143, a record that says stopped, nothing left running, and the next run finishes."""
    home = tmp_path / "home"
    stopped = _kill_at(embedded(2), home, music, signal.SIGTERM)
    assert stopped == 143
    assert '"state": "stopped"' in (max((home / "runs").iterdir()) / "report.json").read_text()
    resumed = ingest(home, music, *FINE)
    assert resumed.returncode == 0, resumed.stderr
    _assert_same(home, music, undisturbed)


def test_a_driver_that_crashes_goes_on_by_itself(music: Path, undisturbed: Left, tmp_path: Path) -> None:
    """A fault in native code ends the driver in the middle: the command says so, and ends as if it had not."""
    home = tmp_path / "home"
    with _begun(home, music) as (job, catalog, encoder):
        _wait(job, lambda: embedded(2)(catalog, encoder))
        (first,) = latest_runs(home, "default", 5)
        os.kill(first.record.pid, signal.SIGSEGV)
        said = job.communicate(timeout=240)[1]
    assert job.returncode == 0, said
    assert "the job's process was ended by SIGSEGV; another one goes on from here" in said
    assert [run.record.state for run in latest_runs(home, "default", 5)] == ["done", "interrupted"]
    _assert_same(home, music, undisturbed)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_killed_again_and_again_at_random(music: Path, undisturbed: Left, tmp_path: Path) -> None:
    """Ten kills at random seconds of its life, whatever it does then; the run after them ends as an undisturbed one."""
    home, rng = tmp_path / "home", random.Random(11)
    kills = 0
    while kills < 10:
        job = subprocess.Popen(
            command(home, music, *FINE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        )
        try:
            job.wait(rng.uniform(1.0, 45.0))
            assert job.returncode == 0
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()
        kills += 1
    resumed = ingest(home, music, *FINE)
    assert resumed.returncode == 0, resumed.stderr
    _assert_same(home, music, undisturbed)


@pytest.mark.long
def test_a_disk_that_runs_full(music: Path, undisturbed: Left, tmp_path: Path) -> None:
    """With no room left for the lake the job says so and ends with exit 1; with room it goes on from there."""
    with small_disk(tmp_path / "disk", kilobytes=48) as disk:
        home, lake = tmp_path / "home", f"lake.uri={disk / 'lake'}"
        full = ingest(home, music, *FINE, lake)
        assert full.returncode == 1 and "No space left" in full.stderr, full.stderr
        grow(disk, kilobytes=64_000)
        resumed = ingest(home, music, *FINE, lake)
        assert resumed.returncode == 0, resumed.stderr
        assert left_in(home, _uris(music)) == undisturbed


def _uris(music: Path) -> list[str]:
    return sorted(str(path) for path in music.iterdir())


def _assert_same(home: Path, music: Path, undisturbed: Left) -> None:
    assert left_in(home, _uris(music)) == undisturbed
    named, lying = named_files(home)
    assert lying == named, "what no row names is swept"


@contextmanager
def _begun(home: Path, music: Path) -> Iterator[tuple["subprocess.Popen[str]", CatalogStore, str]]:
    """A job at work, with what tells how far it is: its catalogue, and the checksum of the encoder."""
    with (
        open_metadata(MetadataConfig(), home) as metadata,
        subprocess.Popen(
            command(home, music, *FINE), text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()
        ) as job,
    ):
        yield job, metadata.catalog("default"), read_model(EncoderConfig(weights=None)).checksum


def _kill_at(reached: Reached, home: Path, music: Path, number: signal.Signals) -> int:
    """Start a job, send the signal once the moment is reached; its exit code. It must not have ended before."""
    with _begun(home, music) as (job, catalog, encoder):
        _wait(job, lambda: reached(catalog, encoder))
        os.kill(job.pid, number)
        return job.wait(60)


@contextmanager
def _no_milvus(home: Path) -> Iterator[None]:
    """The home's server is killed, and finds no data when it is started again."""
    data, aside = home / "vectors" / "data", home / "vectors" / "aside"
    pid = server_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    data.rename(aside)
    data.write_text("no database")
    kill_server(home)
    yield
    data.unlink()
    aside.rename(data)


def _wait(job: "subprocess.Popen[Any]", reached: Callable[[], bool]) -> None:
    """Until the moment is reached, which must be before the job has ended."""
    deadline = time.monotonic() + 240
    while not reached():
        assert job.poll() is None, "the job ended before the moment came"
        assert time.monotonic() < deadline, "the moment did not come"
        time.sleep(0.02)
    assert job.poll() is None, "the job ended before the moment came"
