"""One catalogue inside the database: what all parts of a CatalogStore stand on."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from ingest.stores.metadata.database import Database
from ingest.stores.metadata.locks import CatalogLock

R = TypeVar("R")


class CatalogScope:
    """A catalogue's id and its way to the database; every write proves first that a lock taken is still held.

    The id may be found as late as it is first needed: `find` raises MetadataError while the database is away.
    """

    def __init__(self, database: Database, find: Callable[[], int], name: str) -> None:
        self.name = name
        self._find = find
        self._catalog_id: int | None = None
        self._database = database
        self._held: CatalogLock | None = None

    @property
    def catalog_id(self) -> int:
        """Raises MetadataError."""
        if self._catalog_id is None:
            self._catalog_id = self._find()
        return self._catalog_id

    def _read(self, work: Callable[[Connection], R]) -> R:
        return self._database.read(work)

    def _write(self, work: Callable[[Connection], R]) -> R:
        if self._held is not None:
            self._held.check()
        return self._database.write(work)
