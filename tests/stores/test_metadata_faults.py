"""What goes wrong with the database is said in one line and without the password."""

import sqlite3
import threading
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from ingest.stores import ConfigurationError, MetadataConfig, MetadataError, SourceFile, open_metadata
from ingest.stores.metadata.database import ATTEMPTS, Database
from scripts.services import free_ports, mariadb


def test_nobody_at_the_address(home: Path) -> None:
    """A server that does not answer is named with host and port, without the password."""
    (port,) = free_ports(1)
    config = MetadataConfig(kind="mysql", url=f"mysql+pymysql://ann:s3cret@127.0.0.1:{port}/music", timeout_s=2)
    with pytest.raises(MetadataError, match=rf"^MySQL at 127\.0\.0\.1:{port}/music: ") as caught:
        open_metadata(config, home)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.integration
def test_wrong_passwords_are_not_shown(mariadb_url: str, home: Path) -> None:
    """A refused login says so; neither the URL's password nor the configured one appears."""
    url = mariadb_url.replace("root@", "ann:s3cret@")
    with pytest.raises(MetadataError, match="Access denied") as caught:
        open_metadata(MetadataConfig(kind="mysql", url=url, password="h1dden"), home)
    assert not {"s3cret", "h1dden"} & set(str(caught.value).replace("'", " ").split())


@pytest.mark.integration
def test_the_configured_password_wins(fresh_mysql_url: str, home: Path) -> None:
    """A password with every awkward character can come from the configuration instead of the URL."""
    engine = create_engine(fresh_mysql_url.rsplit("/", 1)[0])
    with engine.begin() as connection:
        connection.execute(text("CREATE OR REPLACE USER bob@'127.0.0.1' IDENTIFIED BY :word"), {"word": "p@s:/ %$#'"})
        connection.execute(text("GRANT ALL ON *.* TO bob@'127.0.0.1'"))
    engine.dispose()
    url = fresh_mysql_url.replace("root@", "bob:wrong@")
    with open_metadata(MetadataConfig(kind="mysql", url=url, password="p@s:/ %$#'"), home) as metadata:
        assert metadata.catalog_names() == []


@pytest.mark.integration
def test_a_server_that_goes_away_and_comes_back(tmp_path: Path, home: Path) -> None:
    """While MySQL is down every call is a MetadataError; stale connections of the pool are replaced afterwards."""
    with mariadb(tmp_path / "db") as server:
        url = f"{server}/music"
        metadata = open_metadata(MetadataConfig(kind="mysql", url=url, timeout_s=2), home)
        catalog = metadata.catalog()
        _kill_connections(url)
        assert catalog.runs() == []
    with metadata, pytest.raises(MetadataError, match=r"^MySQL at 127\.0\.0\.1:\d+/music: "):
        catalog.register([SourceFile("a", "1", 1)], "run")


def _kill_connections(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        query = "SELECT id FROM information_schema.processlist WHERE db = 'music' AND id <> CONNECTION_ID()"
        for number in connection.scalars(text(query)).all():
            connection.execute(text(f"KILL {int(number)}"))
    engine.dispose()


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (MetadataConfig(kind="oracle"), "metadata.kind 'oracle' is none of sqlite, mysql"),
        (MetadataConfig(kind="mysql"), "needs metadata.url"),
        (MetadataConfig(kind="mysql", url="mysql+pymysql://ann:s3cret@host"), "needs metadata.url"),
        (MetadataConfig(kind="mysql", url="postgresql://ann:s3cret@host/db"), "needs metadata.url"),
        (MetadataConfig(kind="mysql", url="mysql://ann:s3cret@host:port/db"), "needs metadata.url"),
        (MetadataConfig(url="sqlite:///elsewhere"), "metadata.url must be empty"),
    ],
)
def test_settings_that_make_no_sense(config: MetadataConfig, line: str, home: Path) -> None:
    """A wrong setting is a ConfigurationError that names the option and no password."""
    with pytest.raises(ConfigurationError, match=line) as caught:
        open_metadata(config, home)
    assert "s3cret" not in str(caught.value)
    assert not home.exists()


def test_a_file_that_is_no_database(home: Path) -> None:
    """A damaged SQLite file is a MetadataError that names it."""
    home.mkdir()
    (home / "metadata.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(MetadataError, match=r"^SQLite at .*metadata\.sqlite: .*not a database"):
        open_metadata(MetadataConfig(), home)


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    """A home below a file is a MetadataError."""
    (tmp_path / "file").touch()
    with pytest.raises(MetadataError, match="Not a directory"):
        open_metadata(MetadataConfig(), tmp_path / "file" / "home")


def test_a_busy_database(home: Path) -> None:
    """A stranger who keeps SQLite's write lock makes writers fail in time, and readers not at all."""
    with open_metadata(MetadataConfig(timeout_s=0.2), home) as metadata:
        catalog = metadata.catalog()
        stranger = sqlite3.connect(home / "metadata.sqlite", isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(MetadataError, match="locked"):
            catalog.start_run("run", "run")
        assert catalog.runs() == []
        stranger.close()


def test_threads_share_a_store(home: Path) -> None:
    """Many threads write through one store without losing a row."""
    with open_metadata(MetadataConfig(), home) as metadata:
        catalog = metadata.catalog()
        threads = [threading.Thread(target=catalog.start_run, args=(f"run{number}", "run")) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(catalog.runs(limit=100)) == 16


def test_deadlocks_are_tried_again() -> None:
    """A transaction that the server sacrificed runs again, up to a limit; other errors are not repeated."""
    database = Database(create_engine("sqlite://"), "MySQL", None)
    calls = []

    def fails(times: int, code: int) -> object:
        def work(connection: Connection) -> int:
            calls.append(code)
            if len(calls) <= times:
                raise OperationalError("UPDATE", {}, pymysql.err.OperationalError(code, "sacrificed"))
            return connection.execute(text("SELECT 7")).scalar_one()

        return work

    assert database.write(fails(2, 1213)) == 7  # type: ignore[arg-type]
    assert len(calls) == 3
    for code, attempts in ((1213, ATTEMPTS), (1064, 1)):
        calls.clear()
        with pytest.raises(MetadataError, match=r"^MySQL: sacrificed$"):
            database.write(fails(99, code))  # type: ignore[arg-type]
        assert len(calls) == attempts
    database.close()
