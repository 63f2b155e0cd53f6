"""Catalogues to list."""

from dataclasses import dataclass
from pathlib import Path

from conf import compose
from ingest.catalog import Unusable, list_catalog
from ingest.config import CatalogConfig, IngestConfig
from ingest.stores import SourceFile


def catalog_config(kind: str, path: Path | str, *overrides: str) -> CatalogConfig:
    arguments = ["home=h", f"catalog={kind}", f"catalog.path={path}", *overrides]
    return compose("ingest", arguments, IngestConfig).catalog


@dataclass(frozen=True)
class Found:
    """A listing read to its end, its files by uri."""

    files: list[SourceFile]
    unusable: list[Unusable]
    skipped: int
    size_bytes: int


def listing(kind: str, path: Path | str, *overrides: str, home: Path = Path("no such home")) -> Found:
    return found_by(catalog_config(kind, path, *overrides), home)


def found_by(config: CatalogConfig, home: Path = Path("no such home")) -> Found:
    found = list_catalog(config, home)
    files = sorted(found, key=lambda file: file.uri)
    return Found(files, found.unusable, found.skipped, found.size_bytes)


def uris(found: Found) -> list[str]:
    return [file.uri for file in found.files]


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
