"""One catalogue inside the database: what all parts of a CatalogStore stand on."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from ingest.stores.metadata.database import Database
from ingest.stores.metadata.locks import CatalogLock

R = TypeVar("R")


class CatalogScope:
    """A catalogue's id and its way to the database; every write proves first that a lock taken is still held."""

    def __init__(self, database: Database, catalog_id: int, name: str) -> None:
        self.catalog_id = catalog_id
        self.name = name
        self._database = database
        self._held: CatalogLock | None = None

    def _read(self, work: Callable[[Connection], R]) -> R:
        return self._database.read(work)

    def _write(self, work: Callable[[Connection], R]) -> R:
        if self._held is not None:
            self._held.check()
        return self._database.write(work)
