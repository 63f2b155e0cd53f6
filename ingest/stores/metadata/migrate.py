"""The schema, created and upgraded by whoever opens the database first."""

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ingest.errors import MetadataError
from ingest.stores.metadata.database import UNKNOWN_DATABASE, Database, mysql_code
from ingest.stores.metadata.locks import MIGRATION_S, hold
from ingest.stores.metadata.schema import REVISION

SCRIPTS = Path(__file__).resolve().parents[1] / "migrations"


def ensure_schema(database: Database, home: Path) -> None:
    """Bring the schema to REVISION, once, whoever else opens the database. Raises MetadataError."""
    if _revision(database) == REVISION:
        return
    with hold(database, home, "migration", wait_s=MIGRATION_S):
        if _revision(database) != REVISION:
            _upgrade(database)


def _revision(database: Database) -> str | None:
    """Revision of the schema; None for an empty database. Creates a MySQL database that does not exist."""
    try:
        with database.engine.connect() as connection:
            tables = connection.dialect.get_table_names(connection)
            if "alembic_version" not in tables:
                return None
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if revision is None else str(revision)
    except DBAPIError as error:
        if mysql_code(error) != UNKNOWN_DATABASE:
            raise database.error(error) from error
        _create_mysql_database(database)
        return None
    except SQLAlchemyError as error:
        raise database.error(error) from error


def _create_mysql_database(database: Database) -> None:
    from sqlalchemy import create_engine

    name = database.engine.url.database
    server = create_engine(database.engine.url.set(database=""))
    quoted = server.dialect.identifier_preparer.quote_identifier(str(name))
    try:
        with server.begin() as connection:
            connection.execute(
                text(f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            )
    except SQLAlchemyError as error:
        raise database.error(error) from error
    finally:
        server.dispose()


def _upgrade(database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")

    def work(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    try:
        database.write(work)
    except CommandError as error:  # a revision that this version does not know
        raise MetadataError(f"{database.name}: its schema is newer than this version of Refrain: {error}") from error
