"""Catalogues to list."""

from pathlib import Path

from conf import compose
from ingest.catalog import Listing, list_catalog
from ingest.config import CatalogConfig, IngestConfig


def catalog_config(kind: str, path: Path | str, *overrides: str) -> CatalogConfig:
    arguments = ["home=h", f"catalog={kind}", f"catalog.path={path}", *overrides]
    return compose("ingest", arguments, IngestConfig).catalog


def listing(kind: str, path: Path | str, *overrides: str, home: Path = Path("no such home")) -> Listing:
    return list_catalog(catalog_config(kind, path, *overrides), home)


def uris(found: Listing) -> list[str]:
    return [file.uri for file in found.files]


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
