"""A list of files: Parquet, CSV or JSONL with a column `uri` and, if wanted, title, artist, album and isrc.

A row that cannot be used is rejected with code `bad_row` and the others go on. Relative uris start at the
manifest's folder; what is answered is the string of the manifest.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ingest.catalog.access import S3, S3_ERRORS, open_location, state, why
from ingest.catalog.listing import Entry, Unusable, unusable_name
from ingest.catalog.rows import BadRow, Row, reader_of
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError, InfrastructureError, MissingFile
from ingest.stores import SourceFile

METADATA = ("title", "artist", "album", "isrc")
LOOK_UPS = 32  # at once: a HEAD request to S3 is 20 ms of waiting
CHUNK = 4096  # rows looked up together


@dataclass(frozen=True)
class Named:
    """A usable row: where the file is, and what the manifest says of it."""

    uri: str
    location: str
    said: dict[str, str | None]


def check(config: CatalogConfig) -> None:
    reader_of(config.path)
    if config.path.startswith(S3):
        return
    path = Path(config.path)
    if path.is_dir():
        raise ConfigurationError(f"catalog.path {config.path!r} is a folder: catalog=folder lists one")
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"catalog.path {config.path!r} cannot be read: {error.strerror}") from None


def probe(config: CatalogConfig) -> None:
    """Is the manifest there, in a bucket too? What it lists is another matter."""
    with _opened(config) as file:
        file.read(1)


def locate(config: CatalogConfig, uri: str) -> str:
    """A uri of the manifest as an absolute local path or an s3:// address.

    Raises ValueError for a scheme that cannot be read.
    """
    if uri.startswith(S3):
        return uri
    if uri.startswith("file://"):
        return uri.removeprefix("file://")
    scheme, colon, _ = uri.partition("://")
    if colon and scheme.isalnum():
        raise ValueError(f"{scheme}:// cannot be read: uris are paths or s3://")
    if config.path.startswith(S3) and not uri.startswith("/"):
        return f"{config.path.rpartition('/')[0]}/{uri}"
    return str(Path(config.path).absolute().parent / uri)


def entries(config: CatalogConfig, home: Path) -> Iterator[Entry]:
    """The files of the manifest, looked up for size and version."""
    rows = _named(config)
    with ThreadPoolExecutor(LOOK_UPS) as pool:
        while chunk := list(islice(rows, CHUNK)):
            yield from pool.map(lambda row: _looked_up(config, row), chunk)


def _named(config: CatalogConfig) -> Iterator[Named | Unusable]:
    """The rows, each uri once."""
    manifest = Path(config.path).name
    seen: set[str] = set()
    with _opened(config) as file:
        for row in reader_of(config.path)(file, config.path):
            yield _judged(config, row, f"{manifest}:{row.number}", seen)


@contextmanager
def _opened(config: CatalogConfig) -> Iterator[BinaryIO]:
    """The manifest itself, for reading. Raises ConfigurationError if it is not there, else InfrastructureError."""
    location = config.path if config.path.startswith(S3) else str(Path(config.path).absolute())
    try:
        with open_location(config, location) as file:
            yield file
    except MissingFile as error:
        raise ConfigurationError(f"catalog.path {config.path!r} {error}") from None
    except S3_ERRORS as error:
        raise InfrastructureError(f"catalog.path {config.path!r} stopped being readable: {why(error)}") from error


def _judged(config: CatalogConfig, row: Row | BadRow, place: str, seen: set[str]) -> Named | Unusable:
    if isinstance(row, BadRow):
        return Unusable(place, "bad_row", f"{place}: {row.reason}")
    try:
        uri = _text(row.values.get("uri"), "uri")
        if not uri:
            raise ValueError("the uri is empty")
        if unusable := unusable_name(uri):
            return unusable
        if "\0" in uri:
            raise ValueError("the uri holds a NUL character")
        if uri in seen:
            raise ValueError(f"{uri} is listed a second time; the first row counts")
        named = Named(uri, locate(config, uri), {name: _said(row.values.get(name), name) for name in METADATA})
    except ValueError as error:
        return Unusable(place, "bad_row", f"{place}: {error}")
    seen.add(uri)
    return named


def _text(value: object, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise ValueError(f"the {name} is {type(value).__name__}, not a string")


def _said(value: object, name: str) -> str | None:
    """What the manifest says about a track; a number (an album called 1999) is its digits."""
    text = _text(str(value) if type(value) in (int, float) else value, name)
    if text is not None and unusable_name(text):
        raise ValueError(f"the {name} is not valid Unicode")
    return text


def _looked_up(config: CatalogConfig, row: Named | Unusable) -> Entry:
    if isinstance(row, Unusable):
        return row
    try:
        now = state(config, row.location)
    except MissingFile as error:
        return Unusable(row.uri, "missing", str(error))
    return SourceFile(row.uri, now.version, now.size_bytes, **row.said)
