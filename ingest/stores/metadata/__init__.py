"""Metadata in SQL: SQLite in the home, or MySQL. Strings and states live here alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from sqlalchemy import insert, select

from ingest.errors import ConfigurationError, MetadataError
from ingest.stores.config import MetadataConfig, check_catalog_name
from ingest.stores.metadata.browsing import BrowsingRows
from ingest.stores.metadata.database import Database, open_mysql, open_sqlite
from ingest.stores.metadata.generations import GenerationRows
from ingest.stores.metadata.imports import ImportRows
from ingest.stores.metadata.ledger import LedgerRows
from ingest.stores.metadata.locks import CatalogLock, hold, is_held
from ingest.stores.metadata.migrate import ensure_schema
from ingest.stores.metadata.publication import PublicationRows
from ingest.stores.metadata.runs import RunRows
from ingest.stores.metadata.schema import catalogs
from ingest.stores.metadata.tracks import TrackRows

MIGRATION_ANSWER_S = 3_600.0  # a statement of a migration may rewrite a large table

__all__ = ["CatalogLock", "CatalogStore", "Metadata", "open_catalog", "open_metadata"]


class CatalogStore(TrackRows, PublicationRows, BrowsingRows, LedgerRows, GenerationRows, ImportRows, RunRows):
    """One catalogue; every method is one transaction. Errors are MetadataError.

    Writers that are not alone by nature (a run, a deletion, a promotion) hold lock() around their work.
    """

    def __init__(self, database: Database, home: Path, find: Callable[[], int], name: str) -> None:
        super().__init__(database, find, name)
        self._home = home
        self._lock_name = f"catalogue {name}"

    @contextmanager
    def lock(self) -> Iterator[CatalogLock]:
        """Be the only writer; raises CatalogLocked at once if somebody else is."""
        with hold(self._database, self._home, self._lock_name) as lock:
            self._held = lock
            try:
                yield lock
            finally:
                self._held = None

    def locked(self) -> bool:
        """Whether somebody is the only writer now, this store included."""
        return is_held(self._database, self._home, self._lock_name)


class Metadata:
    """An open metadata store; safe to share between threads, not to be pickled."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._home = home

    def catalog(self, name: str = "default") -> CatalogStore:
        """A catalogue, created if absent. Raises ConfigurationError for an unusable name."""
        check_catalog_name(name)
        catalog_id = self._found(name)
        return CatalogStore(self._database, self._home, lambda: catalog_id, name)

    def _found(self, name: str) -> int:
        query = select(catalogs.c.catalog_id).where(catalogs.c.name == name)
        catalog_id = self._database.read(lambda connection: connection.scalar(query))
        return self._create(name) if catalog_id is None else int(catalog_id)

    def catalog_names(self) -> list[str]:
        """Names of all catalogues, sorted."""
        query = select(catalogs.c.name)
        return sorted(self._database.read(lambda connection: connection.scalars(query).all()))

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, name: str) -> int:
        query = select(catalogs.c.catalog_id).where(catalogs.c.name == name)

        row = {"name": name, "next_track_id": 1, "next_recording_id": 1}
        failure = None
        try:
            self._database.write(lambda connection: connection.execute(insert(catalogs).values(row)))
        except MetadataError as error:  # somebody else may have created it just now
            failure = error
        catalog_id = self._database.read(lambda connection: connection.scalar(query))
        if catalog_id is None:
            raise failure or MetadataError(f"catalogue {name} cannot be created")
        return int(catalog_id)


def open_metadata(config: MetadataConfig, home: Path) -> Metadata:
    """Connect, and create or upgrade the schema. Raises MetadataError, ConfigurationError."""
    with _open(replace(config, answer_s=MIGRATION_ANSWER_S), home) as patient:
        ensure_schema(patient, home)
    return Metadata(_open(config, home), home)


def open_catalog(config: MetadataConfig, home: Path, name: str) -> CatalogStore:
    """A catalogue whose store may be away still: it is opened by what is first asked of it while it is there.

    Raises ConfigurationError; until then everything that is asked raises MetadataError.
    """
    check_catalog_name(name)
    database = _open(config, home)

    def find() -> int:
        with open_metadata(config, home) as metadata:
            return metadata.catalog(name).catalog_id

    return CatalogStore(database, home, find, name)


def _open(config: MetadataConfig, home: Path) -> Database:
    if config.kind not in ("sqlite", "mysql"):
        raise ConfigurationError(f"metadata.kind {config.kind!r} is none of sqlite, mysql")
    return open_sqlite(config, home) if config.kind == "sqlite" else open_mysql(config)
