"""The catalogue's sources: what there is to ingest, as files with a version and entries that cannot be used.

    folder     every audio file below a folder
    manifest   a Parquet, CSV or JSONL file with a column `uri` (and title, artist, album, isrc)
    s3         every audio object below s3://bucket/prefix

A source is a module with `check(config)`, which raises ConfigurationError, and `entries(config, home)`.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from ingest.catalog import folder, manifest, s3
from ingest.catalog.access import open_location
from ingest.catalog.listing import Listing, Skipped, Unusable
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError

__all__ = ["Listing", "Skipped", "Unusable", "check_source", "list_catalog", "locate", "open_file"]

SOURCES: dict[str, ModuleType] = {"folder": folder, "manifest": manifest, "s3": s3}


def check_source(config: CatalogConfig) -> None:
    """Raises ConfigurationError if the source is not there or not of its kind; cheap."""
    if not config.path:
        raise ConfigurationError(f"catalog.path is not given: say catalog.path=… with catalog={config.kind}")
    SOURCES[config.kind].check(config)


def probe_source(config: CatalogConfig) -> None:
    """Ask for the first entry: raises ConfigurationError or InfrastructureError where the source cannot be read."""
    check_source(config)
    if config.kind == "s3":
        s3.probe(config)


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
