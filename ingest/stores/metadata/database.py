"""The SQL database: how it is opened, how a transaction runs, and what its failures are called."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ingest.errors import ConfigurationError, MetadataError
from ingest.stores.config import MetadataConfig

T = TypeVar("T")
R = TypeVar("R")

SQLITE_FILE = "metadata.sqlite"
POOL_RECYCLE_S = 900
CHUNK = 500  # ids in one IN (…): SQLite allows 999 variables in older builds
ATTEMPTS = 5
BACK_OFF_S = 0.05
WAL_S = 30  # for several processes that open a fresh database at once
DEADLOCK, LOCK_WAIT, UNKNOWN_DATABASE = 1213, 1205, 1049  # MySQL error codes


class Database:
    """An engine whose transactions end in MetadataError or well; threads may share it."""

    def __init__(self, engine: Engine, name: str, secret: str | None) -> None:
        self.engine = engine
        self.name = name
        self._secret = secret
        self.is_mysql = engine.dialect.name == "mysql"

    def read(self, work: Callable[[Connection], R]) -> R:
        """What the work returns, in one consistent transaction."""
        return self._run(work, self.engine)

    def write(self, work: Callable[[Connection], R]) -> R:
        """What the work returns, committed; it runs again after a deadlock, so it must only touch the database."""
        return self._run(work, self.engine.execution_options(writes=True))

    def error(self, error: Exception) -> MetadataError:
        """The failure in one line, without the password."""
        line = " ".join(_message(error).split())
        if self._secret:
            line = line.replace(self._secret, "…")
        return MetadataError(f"{self.name}: {line}")

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Callable[[Connection], R], engine: Engine) -> R:
        for attempt in range(ATTEMPTS):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if mysql_code(error) not in (DEADLOCK, LOCK_WAIT) or attempt == ATTEMPTS - 1:
                    raise self.error(error) from error
            except SQLAlchemyError as error:
                raise self.error(error) from error
            time.sleep(BACK_OFF_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def open_sqlite(config: MetadataConfig, home: Path) -> Database:
    """SQLite in the home, in WAL mode: readers and one writer do not wait for each other."""
    if config.url:
        raise ConfigurationError("metadata=sqlite keeps its file in home: metadata.url must be empty")
    path = home.absolute() / SQLITE_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MetadataError(f"SQLite at {path}: {error.strerror}") from error
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, **_pool(config), connect_args={"timeout": config.timeout_s})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine, f"SQLite at {path}", None)


def open_mysql(config: MetadataConfig) -> Database:
    """MySQL or MariaDB at a URL; what it reads is what is committed."""
    url = _mysql_url(config)
    timeout_s = max(1, round(config.timeout_s))
    engine = create_engine(
        url,
        **_pool(config),
        pool_pre_ping=True,
        pool_recycle=POOL_RECYCLE_S,
        isolation_level="READ COMMITTED",
        connect_args={
            "charset": "utf8mb4",
            "connect_timeout": timeout_s,
            "read_timeout": config.answer_s,
            "write_timeout": config.answer_s,
            "init_command": f"SET SESSION sql_mode='STRICT_ALL_TABLES', innodb_lock_wait_timeout={timeout_s}",
        },
    )
    name = f"MySQL at {url.host}:{url.port or 3306}/{url.database}"
    return Database(engine, name, str(url.password) if url.password else None)


def _pool(config: MetadataConfig) -> dict[str, Any]:
    return {
        "pool_size": config.pool_size,
        "max_overflow": config.pool_overflow,
        "pool_timeout": config.timeout_s,
    }


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The items in slices that fit into one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def mysql_code(error: DBAPIError) -> int | None:
    """MySQL's number of an error; None for one of SQLite."""
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _mysql_url(config: MetadataConfig) -> URL:
    try:
        url = make_url(config.url or "")
    except (ArgumentError, ValueError):  # its text would show the URL, with the password
        url = None
    if url is None or url.get_backend_name() != "mysql" or not url.host or not url.database:
        raise ConfigurationError(
            "metadata=mysql needs metadata.url=mysql+pymysql://user@host:port/database"
            " (characters like @ : / in the password are written %40 %3A %2F)"
        )
    if config.password is not None:
        url = url.set(password=config.password)
    return url.set(drivername="mysql+pymysql")


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver thinks
    deadline = time.monotonic() + WAL_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:  # SQLite does not wait here for another one that makes the same change
            if time.monotonic() > deadline:
                raise
            time.sleep(BACK_OFF_S)
    connection.execute("PRAGMA synchronous=FULL")
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    """SQLite's own knows the letters of ASCII alone; MySQL's knows them all."""
    return None if text is None else text.lower()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at once: one that reads first could find its snapshot outdated."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _message(error: Exception) -> str:
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(original.args[-1] if original.args else original)
