"""Metadata in SQL: SQLite in the home, or MySQL. Strings and states live here alone."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from ingest.stores.config import MetadataConfig
from ingest.stores.metadata.generations import GenerationRows
from ingest.stores.metadata.ledger import LedgerRows
from ingest.stores.metadata.runs import RunRows
from ingest.stores.metadata.tracks import TrackRows


class CatalogLock:
    """Proof that this process is the only writer of a catalogue."""

    def check(self) -> None:
        """Raises MetadataError if the lock was lost (the server went away in between)."""
        raise NotImplementedError


class CatalogStore(TrackRows, LedgerRows, GenerationRows, RunRows):
    """One catalogue; every method is one transaction. Errors are MetadataError."""

    name: str
    catalog_id: int

    def lock(self) -> AbstractContextManager[CatalogLock]:
        """Be the only writer; raises CatalogLocked at once if somebody else is."""
        raise NotImplementedError


class Metadata:
    """An open metadata store; safe to share between threads, not to be pickled."""

    def catalog(self, name: str = "default") -> CatalogStore:
        """A catalogue, created if absent. Raises ConfigurationError for an unusable name."""
        raise NotImplementedError

    def catalog_names(self) -> list[str]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_metadata(config: MetadataConfig, home: Path) -> Metadata:
    """Connect, and create or upgrade the schema. Raises MetadataError, ConfigurationError."""
    raise NotImplementedError
