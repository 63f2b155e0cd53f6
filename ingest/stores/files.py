"""Files that are there whole or not at all, on any file system that fsspec knows."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import fsspec

from ingest.errors import ConfigurationError, InfrastructureError

PROBE = b"refrain"


class StoredFiles:
    """Reads and writes below one root; paths are relative to it. Errors are of the kind that it is made with."""

    def __init__(self, filesystem: Any, root: str, error: type[InfrastructureError]) -> None:
        self._filesystem = filesystem
        self._root = root
        self._error = error
        self._failures = _failures(filesystem)
        self._is_local = "file" in _protocols(filesystem)

    @classmethod
    def open(cls, root: str | Path, error: type[InfrastructureError], what: str = "home") -> Self:
        """Below a Path, taken literally, or below a URL of fsspec. Raises ConfigurationError naming `what`."""
        if isinstance(root, Path):
            return cls(fsspec.filesystem("file"), str(root.absolute()), error)
        try:
            filesystem, path = fsspec.url_to_fs(root)
        except (ValueError, ImportError) as failure:
            raise ConfigurationError(f"{what} {root!r}: {failure}") from failure
        return cls(filesystem, path.rstrip("/"), error)

    def below(self, folder: str) -> Self:
        """The same files, seen from a folder of theirs."""
        return type(self)(self._filesystem, f"{self._root}/{folder}", self._error)

    def place(self, path: str) -> str:
        """A path as a person can look it up."""
        whole = f"{self._root}/{path}"
        return whole if self._is_local else str(self._filesystem.unstrip_protocol(whole))

    def write(self, path: str, content: bytes) -> None:
        """Durable when it returns: a temporary name and a rename, or a single PUT in an object store."""
        target = f"{self._root}/{path}"
        try:
            if self._is_local:
                with _whole(Path(target)) as place:
                    place.write_bytes(content)
            else:
                self._filesystem.pipe_file(target, content)
        except self._failures as error:
            raise self._error(f"cannot write {self.place(path)}: {error}") from error

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        """A local file to write at leisure, which may become large; put in its place when the context ends well."""
        with TemporaryDirectory(prefix="refrain-") as folder:
            local = Path(folder) / path.rpartition("/")[2]
            yield local
            self._put(path, local)

    def _put(self, path: str, local: Path) -> None:
        target = f"{self._root}/{path}"
        try:
            if self._is_local:
                with _whole(Path(target)) as place:
                    shutil.copyfile(local, place)
            else:
                self._filesystem.put_file(str(local), target)
        except self._failures as error:
            raise self._error(f"cannot write {self.place(path)}: {error}") from error

    def exists(self, path: str) -> bool:
        try:
            return bool(self._filesystem.exists(f"{self._root}/{path}"))
        except self._failures as error:
            raise self._error(f"cannot look for {self.place(path)}: {error}") from error

    def folders(self) -> list[str]:
        """Names of the folders directly below, sorted; none if there is nothing."""
        try:
            self._filesystem.invalidate_cache()
            found = self._filesystem.ls(self._root, detail=True)
        except FileNotFoundError:
            return []
        except self._failures as error:
            raise self._error(f"cannot list {self.place('')}: {error}") from error
        return sorted(str(one["name"]).rstrip("/").rsplit("/", 1)[-1] for one in found if one["type"] == "directory")

    def probe(self) -> None:
        """Write, read and remove a few bytes."""
        name = f".probe-{uuid.uuid4().hex}"
        self.write(name, PROBE)
        if self.read(name) != PROBE:
            raise self._error(f"{self.place('')} gives back other bytes than were written")
        self.remove(name)

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        try:
            return bytes(self._filesystem.cat_file(f"{self._root}/{path}"))
        except FileNotFoundError as error:
            raise self._error(f"{self.place(path)} is missing") from error
        except self._failures as error:
            raise self._error(f"cannot read {self.place(path)}: {error}") from error

    def names(self, folder: str) -> list[str]:
        """Names of all files in a folder; none if there is no such folder."""
        try:
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(f"{self._root}/{folder}", maxdepth=1)
        except FileNotFoundError:
            return []
        except self._failures as error:
            raise self._error(f"cannot list {self.place(folder)}: {error}") from error
        return [str(path).rsplit("/", 1)[-1] for path in found]

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is fine."""
        try:
            self._filesystem.rm_file(f"{self._root}/{path}")
        except FileNotFoundError:
            return
        except self._failures as error:
            raise self._error(f"cannot remove {self.place(path)}: {error}") from error


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _failures(filesystem: Any) -> tuple[type[Exception], ...]:
    """What the file system raises when it fails; the S3 client's own errors are not OSErrors."""
    if "s3" not in _protocols(filesystem):
        return (OSError,)
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    return (OSError, BotoCoreError, ClientError)


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A place beside the target to write to; file and name reach the disk before this is left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
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
