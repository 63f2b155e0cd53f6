"""Every audio object below s3://bucket/prefix; its version is the etag. Folders are listed side by side."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Any

from ingest.catalog.access import S3, S3_ERRORS, object_state, open_location, s3_files
from ingest.catalog.listing import Entry, Skipped, is_audio, unusable_name
from ingest.config import CatalogConfig
from ingest.errors import ConfigurationError, InfrastructureError
from ingest.stores import SourceFile

LISTED_AT_ONCE = 16
DEEPEST = 3  # levels of folders that are opened up to find enough of them to list side by side
PAGES_AHEAD = 64  # listed and not yet read: a page holds 1,000 objects

Page = list[dict[str, Any]]


def check(config: CatalogConfig) -> None:
    if not config.path.startswith(S3) or not config.path.removeprefix(S3).strip("/"):
        raise ConfigurationError(f"catalog.path must be s3://bucket/prefix with catalog=s3, not {config.path!r}")


def probe(config: CatalogConfig) -> None:
    """May it be listed, and the first object read?"""
    for entry in entries(config, Path()):
        if isinstance(entry, SourceFile):
            with open_location(config, entry.uri) as file:
                file.read(1)
            return


def entries(config: CatalogConfig, home: Path) -> Iterator[Entry]:
    """The objects below the prefix, taken as a folder: s3://b/rock holds rock/a.mp3, not rocky/a.mp3."""
    bucket, _, key = config.path.removeprefix(S3).strip("/").partition("/")
    prefix = f"{key}/" if key else ""
    try:
        for page in _Pages(s3_files(config).call_s3, bucket).below(prefix):
            for item in page:
                yield _entry(config, f"{S3}{bucket}/{item['Key']}", item, item["Key"].removeprefix(prefix))
    except FileNotFoundError:
        raise ConfigurationError(f"catalog.path {config.path!r}: there is no such bucket") from None
    except S3_ERRORS as error:
        raise InfrastructureError(f"S3 does not list {config.path!r}: {error}") from error


def _entry(config: CatalogConfig, uri: str, item: dict[str, Any], below: str) -> Entry:
    hidden = any(part.startswith(".") for part in below.split("/"))
    if hidden or not is_audio(uri, config.suffixes):
        return Skipped(uri)
    if unusable := unusable_name(uri):
        return unusable
    now = object_state({"size": item["Size"], **item})
    return SourceFile(uri, now.version, now.size_bytes)


@dataclass(frozen=True)
class _Pages:
    """Pages of a bucket's objects; `ask` is the client's call by name."""

    ask: Callable[..., dict[str, Any]]
    bucket: str

    def below(self, prefix: str) -> Iterator[Page]:
        """All objects, in the order in which pages come; as many folders at once as there are listers."""
        folders, level = [prefix], 0
        while len(folders) < LISTED_AT_ONCE and level < DEEPEST:
            deeper: list[str] = []
            for folder in folders:
                for answer in self._answers(folder, Delimiter="/"):
                    yield answer.get("Contents", [])
                    deeper += [found["Prefix"] for found in answer.get("CommonPrefixes", [])]
            folders, level = deeper, level + 1
            if not folders:
                return
        yield from self._side_by_side(folders)

    def _side_by_side(self, folders: list[str]) -> Iterator[Page]:
        pages: Queue[Page | Exception | None] = Queue(PAGES_AHEAD)
        given_up = Event()

        def list_one(folder: str) -> None:
            try:
                for answer in self._answers(folder):
                    if given_up.is_set():
                        return
                    pages.put(answer.get("Contents", []))
                pages.put(None)
            except Exception as error:  # noqa: BLE001  handed over to whoever reads the pages
                pages.put(error)

        with ThreadPoolExecutor(LISTED_AT_ONCE) as pool:
            for folder in folders:
                pool.submit(list_one, folder)
            left = len(folders)
            try:
                while left:
                    page = pages.get()
                    if isinstance(page, Exception):
                        raise page
                    if page is None:
                        left -= 1
                    else:
                        yield page
            finally:
                given_up.set()
                pool.shutdown(wait=False, cancel_futures=True)
                while not pages.empty():  # nobody waits for room any more
                    pages.get_nowait()

    def _answers(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            answer = self.ask("list_objects_v2", Bucket=self.bucket, Prefix=prefix, **options, **token)
            yield answer
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}
