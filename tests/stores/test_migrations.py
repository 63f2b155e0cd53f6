"""The schema is made by revisions, and equals the tables that queries are written with."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from ingest.stores import Metadata, MetadataConfig, MetadataError, SourceFile, open_metadata
from ingest.stores.metadata.migrate import SCRIPTS
from ingest.stores.metadata.schema import REVISION, TABLES


def test_revisions_build_the_tables(metadata: Metadata) -> None:
    """A fresh database after all revisions has exactly the tables of schema.py."""
    engine = metadata._database.engine
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, TABLES) == []
        assert context.get_current_revision() == REVISION


def test_revisions_are_one_line() -> None:
    """There is one head, and schema.py names it."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_opening_again_changes_nothing(metadata_config: MetadataConfig, metadata: Metadata, home: Path) -> None:
    """A database that is up to date is opened as it is."""
    metadata.catalog("kept")
    with open_metadata(metadata_config, home) as again:
        assert again.catalog_names() == ["kept"]


def test_many_open_a_fresh_database_at_once(metadata_config: MetadataConfig, home: Path) -> None:
    """Of several that find no schema one creates it, and all can work; the catalogue is created once."""
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(lambda _: open_metadata(metadata_config, home), range(4)))
        ids = set(threads.map(lambda store: store.catalog().catalog_id, stores))
    assert len(ids) == 1
    for store in stores:
        store.close()


def test_an_older_database_is_brought_up_to_date(metadata_config: MetadataConfig, home: Path) -> None:
    """What the first revision stored is all there after the others, and a second upgrade cut off half-way goes on."""
    with open_metadata(metadata_config, home) as opened:
        opened.catalog("kept").register([SourceFile("a.mp3", "1", 10, title="A")], "run")
        engine = opened._database.engine
        with engine.begin() as connection:  # back to the first revision, but for one of the new columns
            for statement in (
                "DROP TABLE listed",
                "DROP TABLE imports",
                "ALTER TABLE loads DROP COLUMN stale",
                "UPDATE alembic_version SET version_num = '0001'",
            ):
                connection.execute(text(statement))
    with open_metadata(metadata_config, home) as again:
        track = again.catalog("kept").track(1)
        assert track is not None and track.title == "A"
        test_revisions_build_the_tables(again)


def test_a_cut_off_creation_is_completed(metadata_config: MetadataConfig, home: Path) -> None:
    """Where the first revision was interrupted between two tables, the next one to open goes on."""
    with open_metadata(metadata_config, home) as first:
        engine = first._database.engine
        with engine.begin() as connection:
            for name in ("runs", "loads", "alembic_version"):
                connection.execute(text(f"DROP TABLE {name}"))
    with open_metadata(metadata_config, home) as second:
        assert set(inspect(second._database.engine).get_table_names()) == {*TABLES.tables, "alembic_version"}


def test_a_newer_schema_is_refused(metadata_config: MetadataConfig, home: Path) -> None:
    """A database of a later version is left alone."""
    with open_metadata(metadata_config, home) as first, first._database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MetadataError, match="newer than this version of Refrain"):
        open_metadata(metadata_config, home)


@pytest.mark.integration
def test_text_is_compared_by_bytes_in_mysql(fresh_mysql_url: str, home: Path) -> None:
    """Every table is InnoDB in utf8mb4_bin, whatever the server's default is."""
    with open_metadata(MetadataConfig(kind="mysql", url=fresh_mysql_url), home):
        engine = create_engine(fresh_mysql_url)
        with engine.connect() as connection:
            query = "SELECT DISTINCT engine, table_collation FROM information_schema.tables WHERE table_schema = :db"
            rows = connection.execute(
                text(f"{query} AND table_name <> 'alembic_version'"), {"db": engine.url.database}
            ).all()
        engine.dispose()
    assert [tuple(row) for row in rows] == [("InnoDB", "utf8mb4_bin")]


def test_sqlite_is_durable_and_shared(home: Path) -> None:
    """The file is in WAL mode and synced at every commit."""
    with open_metadata(MetadataConfig(), home) as metadata, metadata._database.engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2
