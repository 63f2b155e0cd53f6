"""One writer a catalogue, on both kinds of database."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ingest.stores import CatalogLocked, CatalogStore, Metadata, MetadataConfig, MetadataError, open_metadata
from ingest.stores.file_lock import FileLock
from ingest.stores.lite_server import ROOT
from ingest.stores.metadata import locks

_HOLDER = """
import sys
from pathlib import Path
from ingest.stores import MetadataConfig, open_metadata
kind, url, home = sys.argv[1:]
with open_metadata(MetadataConfig(kind=kind, url=url or None), Path(home)) as metadata, metadata.catalog().lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_told_at_once(metadata_config: MetadataConfig, metadata: Metadata, home: Path) -> None:
    """While one store holds the lock another gets CatalogLocked; other catalogues and readers are free."""
    with open_metadata(metadata_config, home) as other, metadata.catalog().lock():
        with pytest.raises(CatalogLocked, match="default is locked by another job"), other.catalog().lock():
            pass
        with other.catalog("elsewhere").lock():
            assert other.catalog().active_generation() is None
    with metadata.catalog().lock():
        pass


def test_a_killed_writer_leaves_no_lock(metadata_config: MetadataConfig, metadata: Metadata, home: Path) -> None:
    """The lock of a process that is killed is free as soon as the process is gone."""
    arguments = [metadata_config.kind, metadata_config.url or "", str(home)]
    command = [sys.executable, "-c", _HOLDER, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CatalogLocked), metadata.catalog().lock():
            pass
        holder.kill()
    for _ in range(100):
        try:
            with metadata.catalog().lock() as lock:
                lock.check()
            break
        except CatalogLocked:  # the database server has not noticed yet
            subprocess.run(["sleep", "0.1"], check=True)
    else:
        pytest.fail("the lock outlives its holder")


def test_the_lock_is_let_go_after_an_error(catalog: CatalogStore) -> None:
    """An exception inside releases the lock."""
    with pytest.raises(KeyError), catalog.lock():
        raise KeyError
    with catalog.lock():
        pass


def test_a_lock_is_seen_by_others(metadata_config: MetadataConfig, metadata: Metadata, home: Path) -> None:
    """Whoever asks is told whether somebody writes, of this catalogue alone, and changes nothing by it."""
    catalog = metadata.catalog()
    with open_metadata(metadata_config, home) as other:
        assert not catalog.locked()
        with other.catalog().lock() as lock:
            assert catalog.locked() and other.catalog().locked()
            assert not other.catalog("elsewhere").locked()
            lock.check()
        assert not catalog.locked()


def test_who_looks_at_a_lock_is_in_nobodys_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look has the lock's file for an instant; a writer that comes just then waits for it."""
    monkeypatch.setattr(locks, "LOOK_S", 60.0)
    with open_metadata(MetadataConfig(), home) as metadata:
        catalog = metadata.catalog()
        with catalog.lock():
            pass
        look = FileLock(home / "locks" / "catalogue-default.lock")
        assert look.acquire(shared=True)
        threading.Timer(0.1, look.release).start()
        with catalog.lock():
            assert catalog.locked()


def test_a_lock_that_cannot_be_looked_at_is_told(home: Path) -> None:
    """An unreadable place is a MetadataError."""
    with open_metadata(MetadataConfig(), home) as metadata:
        catalog = metadata.catalog()
        (home / "locks" / "catalogue-default.lock").mkdir(parents=True)
        with pytest.raises(MetadataError, match="cannot look"):
            catalog.locked()


@pytest.mark.integration
def test_a_lost_lock_stops_the_writer(fresh_mysql_url: str, home: Path) -> None:
    """When the server drops the lock's connection, the holder can no longer write."""
    with open_metadata(MetadataConfig(kind="mysql", url=fresh_mysql_url), home) as metadata:
        catalog = metadata.catalog()
        with catalog.lock() as lock:
            lock.check()
            _kill_lock_holder(fresh_mysql_url)
            with pytest.raises(MetadataError):
                catalog.start_run("run", "run")
        assert catalog.runs() == []


def _kill_lock_holder(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        ids = connection.scalars(
            text("SELECT id FROM information_schema.processlist WHERE db = :db AND id <> CONNECTION_ID()"),
            {"db": engine.url.database},
        ).all()
        for number in ids:
            connection.execute(text(f"KILL {int(number)}"))
    engine.dispose()


def test_a_removed_home_stops_the_writer(home: Path) -> None:
    """When the lock's file is gone, the holder can no longer write."""
    with open_metadata(MetadataConfig(), home) as metadata:
        catalog = metadata.catalog()
        with catalog.lock():
            (home / "locks" / "catalogue-default.lock").unlink()
            with pytest.raises(MetadataError, match="gone"):
                catalog.start_run("run", "run")
