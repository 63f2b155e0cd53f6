"""The catalogue's sources: what there is to ingest, as files with a version and entries that cannot be used.

    folder     every audio file below a folder
    manifest   a Parquet, CSV or JSONL file with a column `uri` (and title, artist, album, isrc)
    s3         every audio object below s3://bucket/prefix
"""

from pathlib import Path
from typing import BinaryIO

from ingest.catalog.listing import Listing, Unusable
from ingest.config import CatalogConfig

__all__ = ["Listing", "Unusable", "list_catalog", "locate", "open_file"]


def list_catalog(config: CatalogConfig, home: Path) -> Listing:
    """Everything the source lists, by uri. Raises ConfigurationError, InfrastructureError."""
    raise NotImplementedError


def locate(config: CatalogConfig, uri: str) -> str:
    """Where the bytes of a listed uri are: an absolute local path or an s3:// address."""
    raise NotImplementedError


def open_file(config: CatalogConfig, location: str) -> BinaryIO:
    """Open a location for reading and seeking. Raises MissingFile; InfrastructureError if S3 fails."""
    raise NotImplementedError
