"""The bytes behind a location: a local path or s3://bucket/key, taken literally (no globs, no chains, no %)."""

import io
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # it has no types

from ingest.config import CatalogConfig
from ingest.errors import InfrastructureError, MissingFile

if TYPE_CHECKING:
    from s3fs import S3FileSystem

S3 = "s3://"
READ_BYTES = 1 << 18  # asked of an object at once, of what its client holds
S3_ERRORS = (OSError, ClientError, BotoCoreError)  # s3fs translates most of what S3 says to OSError


@dataclass(frozen=True)
class FileState:
    """What tells one content of a location from the next."""

    version: str
    size_bytes: int


def open_location(config: CatalogConfig, location: str) -> BinaryIO:
    """Open for reading and seeking. Raises MissingFile; InfrastructureError if S3 fails."""
    try:
        if location.startswith(S3):
            return io.BufferedReader(
                _Object(s3_files(config).open(location.removeprefix(S3), "rb"), location), READ_BYTES
            )
        return Path(location).open("rb")
    except (*S3_ERRORS, ValueError) as error:
        raise _speaking(error, location) from error


def state(config: CatalogConfig, location: str) -> FileState:
    """Version and size now. Raises MissingFile; InfrastructureError if S3 fails."""
    try:
        if location.startswith(S3):
            return object_state(s3_files(config).info(location.removeprefix(S3)))
        return local_state(Path(location).stat())
    except (*S3_ERRORS, ValueError) as error:
        raise _speaking(error, location) from error


def local_state(found: os.stat_result) -> FileState:
    """Size and modification time of a regular file; OSError for anything else, which could block for ever."""
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError("it is not a regular file")
    return FileState(f"{found.st_size}-{found.st_mtime_ns}", found.st_size)


def object_state(info: dict[str, Any]) -> FileState:
    """The etag of an object; size and modification time where a server gives none."""
    if info.get("type") == "directory":
        raise IsADirectoryError("it is not an object")
    size = int(info["size"])
    modified = info.get("LastModified")
    changed = modified.isoformat() if isinstance(modified, datetime) else str(modified)
    return FileState(str(info.get("ETag") or "").strip('"') or f"{size}-{changed}", size)


def s3_files(config: CatalogConfig) -> "S3FileSystem":
    """The S3 client of a configuration, one a process; credentials come from the environment."""
    return _client(config.endpoint_url, config.anonymous)


@lru_cache(maxsize=4)
def _client(endpoint_url: str | None, anonymous: bool) -> "S3FileSystem":
    from s3fs import S3FileSystem  # takes a second: only those wait who read S3

    return S3FileSystem(anon=anonymous, endpoint_url=endpoint_url, use_listings_cache=False, skip_instance_cache=True)


def why(error: Exception) -> str:
    """An error of the operating system or of S3, in its own words."""
    return str(getattr(error, "strerror", None) or error)


class _Object(io.RawIOBase):
    """An object open for reading; what S3 fails at is no fault of the file, and is not to be taken for one."""

    def __init__(self, file: Any, location: str) -> None:
        self._file, self.name = file, location

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        try:
            found = self._file.read(len(buffer))
        except (*S3_ERRORS, ValueError) as error:
            raise _speaking(error, self.name) from error
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


def _speaking(error: Exception, location: str) -> MissingFile | InfrastructureError:
    """S3 that does not answer is not the file's fault; everything else is."""
    gone = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
    if gone or not location.startswith(S3):
        return MissingFile(f"cannot be read: {why(error)}")
    return InfrastructureError(f"S3 does not give {location!r}: {error}")
