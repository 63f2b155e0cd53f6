"""Locks by name: one writer a catalogue, one migration a database. They end with their holder's process."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from ingest.errors import CatalogLocked, MetadataError
from ingest.stores.file_lock import FileLock
from ingest.stores.metadata.database import Database

LOCKS_DIRECTORY = "locks"
YEAR_S = 31_536_000
MIGRATION_S = 120  # to wait for another process that migrates
LOOK_S = 0.05  # who looks at a file's lock has it for an instant


class CatalogLock(Protocol):
    """Proof that this process is the only writer of a catalogue."""

    def check(self) -> None:
        """Raises MetadataError if the lock was lost (the server went away in between)."""


class _FileHold:
    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def check(self) -> None:
        if self._lock.orphaned():
            raise MetadataError(f"the lock {self._lock.path} is gone: somebody removed the home")


class _MysqlHold:
    def __init__(self, database: Database, connection: Connection, name: str) -> None:
        self._database, self._connection, self._name = database, connection, name
        self._guard = threading.Lock()

    def check(self) -> None:
        with self._guard:
            try:
                query = text("SELECT IS_USED_LOCK(:name) = CONNECTION_ID()")
                held = self._connection.execute(query, {"name": self._name}).scalar()
            except SQLAlchemyError as error:
                raise self._database.error(error) from error
        if not held:
            raise MetadataError(f"{self._database.name}: the lock of the catalogue was lost")


@contextmanager
def hold(database: Database, home: Path, name: str, wait_s: float = 0.0) -> Iterator[CatalogLock]:
    """Hold a lock; raises CatalogLocked if somebody else still does after `wait_s`."""
    held = _hold_in_mysql(database, name, wait_s) if database.is_mysql else _hold_file(home, name, wait_s)
    with held as lock:
        yield lock


def is_held(database: Database, home: Path, name: str) -> bool:
    """Whether somebody holds a lock. Raises MetadataError."""
    if not database.is_mysql:
        return _is_file_held(_lock_path(home, name))
    query, lock_name = text("SELECT IS_FREE_LOCK(:name)"), _mysql_name(database, name)
    free = database.read(lambda connection: connection.scalar(query, {"name": lock_name}))
    return bool(free != 1)


def _is_file_held(path: Path) -> bool:
    lock = FileLock(path)
    try:
        return path.exists() and not lock.acquire(shared=True)
    except OSError as error:
        raise MetadataError(f"cannot look at {path}: {error.strerror}") from error
    finally:
        lock.release()


@contextmanager
def _hold_file(home: Path, name: str, wait_s: float) -> Iterator[CatalogLock]:
    lock = FileLock(_lock_path(home, name))
    try:
        if not lock.acquire(timeout_s=max(wait_s, LOOK_S)):
            raise CatalogLocked(f"{name} is locked by another job ({lock.read().strip() or 'unknown'})")
        lock.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
    except OSError as error:
        raise MetadataError(f"cannot lock {lock.path}: {error.strerror}") from error
    try:
        yield _FileHold(lock)
    finally:
        lock.release()


@contextmanager
def _hold_in_mysql(database: Database, name: str, wait_s: float) -> Iterator[CatalogLock]:
    """A lock of the server's, tied to a connection of its own."""
    lock_name = _mysql_name(database, name)
    try:
        connection = database.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
    except SQLAlchemyError as error:
        raise database.error(error) from error
    try:
        _get_lock(database, connection, lock_name, name, wait_s)
        yield _MysqlHold(database, connection, lock_name)
    finally:
        if not connection.invalidated:
            connection.detach()  # the lock ends with the connection, which must not return to the pool
        connection.close()


def _lock_path(home: Path, name: str) -> Path:
    return home.absolute() / LOCKS_DIRECTORY / f"{name.replace(' ', '-')}.lock"


def _mysql_name(database: Database, name: str) -> str:
    """Names are server-wide, so ours holds the schema's."""
    return "refrain:" + hashlib.sha256(f"{database.engine.url.database}/{name}".encode()).hexdigest()[:48]


def _get_lock(database: Database, connection: Connection, lock_name: str, name: str, wait_s: float) -> None:
    try:
        connection.execute(text(f"SET SESSION wait_timeout={YEAR_S}"))  # a long run leaves it idle
        query = text("SELECT GET_LOCK(:name, :wait), IS_USED_LOCK(:name)")
        got, holder = connection.execute(query, {"name": lock_name, "wait": wait_s}).one()
    except SQLAlchemyError as error:
        raise database.error(error) from error
    if got != 1:
        raise CatalogLocked(f"{name} is locked by another job (connection {holder} of {database.name})")
