"""Files that are there whole or not at all, on any file system that fsspec knows."""

import os
import uuid
from pathlib import Path
from typing import Any

from ingest.errors import LakeError


class LakeFiles:
    """Reads and writes below one root; paths are relative to it. Errors are LakeError."""

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root
        self._failures = _failures(filesystem)
        self._is_local = "file" in _protocols(filesystem)

    def place(self, path: str) -> str:
        """A path as a person can look it up."""
        return str(self._filesystem.unstrip_protocol(f"{self._root}/{path}"))

    def write(self, path: str, content: bytes) -> None:
        """Durable when it returns: a temporary name and a rename, or a single PUT in an object store."""
        target = f"{self._root}/{path}"
        try:
            if self._is_local:
                _write_locally(Path(target), content)
            else:
                self._filesystem.pipe_file(target, content)
        except self._failures as error:
            raise LakeError(f"cannot write {self.place(path)}: {error}") from error

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        try:
            return bytes(self._filesystem.cat_file(f"{self._root}/{path}"))
        except FileNotFoundError as error:
            raise LakeError(f"{self.place(path)} is missing") from error
        except self._failures as error:
            raise LakeError(f"cannot read {self.place(path)}: {error}") from error

    def names(self, folder: str) -> list[str]:
        """Names of all files in a folder; none if there is no such folder."""
        try:
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(f"{self._root}/{folder}", maxdepth=1)
        except FileNotFoundError:
            return []
        except self._failures as error:
            raise LakeError(f"cannot list {self.place(folder)}: {error}") from error
        return [str(path).rsplit("/", 1)[-1] for path in found]

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is fine."""
        try:
            self._filesystem.rm_file(f"{self._root}/{path}")
        except FileNotFoundError:
            return
        except self._failures as error:
            raise LakeError(f"cannot remove {self.place(path)}: {error}") from error


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _failures(filesystem: Any) -> tuple[type[Exception], ...]:
    """What the file system raises when it fails; the S3 client's own errors are not OSErrors."""
    if "s3" not in _protocols(filesystem):
        return (OSError,)
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    return (OSError, BotoCoreError, ClientError)


def _write_locally(target: Path, content: bytes) -> None:
    """File and name reach the disk before this returns."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
