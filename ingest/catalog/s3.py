"""Every audio object below s3://bucket/prefix; its version is the etag."""

from collections.abc import Iterator
from pathlib import Path

from ingest.catalog.access import S3, S3_ERRORS, object_state, s3_files
from ingest.catalog.listing import Entry, Skipped, is_audio, unusable_name
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError, InfrastructureError
from ingest.stores import SourceFile


def check(config: CatalogConfig) -> None:
    if not config.path.startswith(S3) or not config.path.removeprefix(S3).strip("/"):
        raise ConfigurationError(f"catalog.path must be s3://bucket/prefix with catalog=s3, not {config.path!r}")


def entries(config: CatalogConfig, home: Path) -> Iterator[Entry]:
    """The objects below the prefix, taken as a folder: s3://b/rock holds rock/a.mp3, not rocky/a.mp3."""
    prefix = config.path.removeprefix(S3).rstrip("/")
    try:
        found = s3_files(config).find(prefix, detail=True)
    except FileNotFoundError:
        raise ConfigurationError(f"catalog.path {config.path!r}: there is no such bucket") from None
    except S3_ERRORS as error:
        raise InfrastructureError(f"S3 does not list {config.path!r}: {error}") from error
    for key, info in found.items():
        uri = f"{S3}{key}"
        hidden = "/." in key.removeprefix(prefix)
        if hidden or not is_audio(key, config.suffixes):
            yield Skipped(uri)
        elif unusable := unusable_name(uri):
            yield unusable
        else:
            now = object_state(info)
            yield SourceFile(uri, now.version, now.size_bytes)
