"""The catalogue's sources: what there is to ingest, as files with a version and entries that cannot be used.

    folder     every audio file below a folder
    manifest   a Parquet, CSV or JSONL file with a column `uri` (and title, artist, album, isrc)
    s3         every audio object below s3://bucket/prefix

A kind of source is a module: what it holds is told by Source.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from ingest.catalog import folder, manifest, s3
from ingest.catalog.access import open_location
from ingest.catalog.listing import Entry, Listing, Skipped, Unusable
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError

__all__ = ["Listing", "Skipped", "Unusable", "check_source", "list_catalog", "locate", "open_file", "probe_source"]


class Source(Protocol):
    """A kind of source."""

    def check(self, config: CatalogConfig) -> None:
        """Raises ConfigurationError if it is not there or not of its kind; cheap, and asks no server."""

    def probe(self, config: CatalogConfig) -> None:
        """Read a little of it, wherever it lies: raises ConfigurationError or InfrastructureError."""

    def entries(self, config: CatalogConfig, home: Path) -> Iterator[Entry]:
        """Everything it lists, as it comes."""
        ...


SOURCES: dict[str, Source] = {"folder": folder, "manifest": manifest, "s3": s3}


def check_source(config: CatalogConfig) -> None:
    """Raises ConfigurationError if the source is not there or not of its kind; cheap."""
    if not config.path:
        raise ConfigurationError(f"catalog.path is not given: say catalog.path=… with catalog={config.kind}")
    SOURCES[config.kind].check(config)


def probe_source(config: CatalogConfig) -> None:
    """Raises ConfigurationError or InfrastructureError where a source that passed its check cannot be read now."""
    SOURCES[config.kind].probe(config)


def list_catalog(config: CatalogConfig, home: Path, seen: Callable[[int], None] = lambda entries: None) -> Listing:
    """Everything the source lists, as it comes. Raises ConfigurationError; reading it also InfrastructureError."""
    check_source(config)
    return Listing(SOURCES[config.kind].entries(config, home), seen)


def locate(config: CatalogConfig, uri: str) -> str:
    """Where the bytes of a listed uri are: an absolute local path or an s3:// address."""
    return manifest.locate(config, uri) if config.kind == "manifest" else uri


def open_file(config: CatalogConfig, location: str) -> BinaryIO:
    """Open a location for reading and seeking. Raises MissingFile; InfrastructureError if S3 fails."""
    return open_location(config, location)
