"""Bulk import into a Milvus server: the Parquet files that it reads from its own storage, and its tasks.

A server reads an import from where it keeps its data: a folder of its machine, or its bucket. `vectors.import_uri`
names a place there. Neither insert nor import looks for keys that exist already.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pymilvus import MilvusException
from pymilvus.client.grpc_handler import GrpcHandler
from pymilvus.client.types import BulkInsertState

from ingest.errors import VectorStoreError
from ingest.fingerprint.peaks import peaks_to_text
from ingest.stores.config import VectorsConfig
from ingest.stores.files import StoredFiles
from ingest.stores.lake import LakeVectors
from ingest.stores.milvus import VECTOR_FIELD, server_name, told_error
from ingest.stores.vectors import KEY_FIELD, PEAKS_FIELD

ROW_GROUP = 50_000  # rows
LISTED_TASKS = 100_000

TaskState = Literal["running", "done", "failed"]
STATES: dict[int, TaskState] = {
    BulkInsertState.ImportCompleted: "done",
    BulkInsertState.ImportFailed: "failed",
    BulkInsertState.ImportFailedAndCleaned: "failed",
}


@dataclass(frozen=True)
class ImportTask:
    """What the server says of a file: `rows` imported (or parsed so far), `reason` of a failure."""

    task: str
    path: str
    state: TaskState
    rows: int
    reason: str


class ImportFiles:
    """The place that both sides see."""

    def __init__(self, uri: str) -> None:
        is_local = "://" not in uri
        self._files = StoredFiles.open(Path(uri) if is_local else uri, VectorStoreError, "vectors.import_uri")
        # What the server is told begins with: an absolute path, or the key inside the bucket of an object.
        folder = str(Path(uri).absolute()) if is_local else uri.partition("://")[2].strip("/").partition("/")[2]
        self._prefix = f"{folder}/" if folder else ""

    def write(self, name: str, parts: Iterable[LakeVectors], dim: int) -> str:
        """One file of rows in the order given; its path for the server. Raises VectorStoreError.

        Written beside the process first: what the server could see is whole.
        """
        schema = pa.schema([
            (KEY_FIELD, pa.int64()), (VECTOR_FIELD, pa.list_(pa.float32())), (PEAKS_FIELD, pa.string()),
        ])  # fmt: skip
        with self._files.writing(name) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as file:
            for part in parts:
                file.write_table(_table(part, dim, schema), ROW_GROUP)
        return f"{self._prefix}{name}"

    def remove(self, name: str) -> None:
        """A file that is gone already is fine."""
        self._files.remove(name)

    def probe(self) -> None:
        """Write, read and remove a few bytes. Raises VectorStoreError."""
        self._files.probe()


class BulkImports:
    """The import tasks of a server. Errors are VectorStoreError; nothing is asked twice that could run twice."""

    def __init__(self, config: VectorsConfig) -> None:
        self._config = config
        with self._told("connect"):
            # The client for people has no imports: this is the connection that it speaks through itself.
            self._server = GrpcHandler(uri=config.uri, token=config.token or "")
            self._server._wait_for_channel_ready(config.timeout_s)

    def submit(self, collection: str, path: str) -> str:
        """Ask the server to import a file; the task's number."""
        with self._told("import"):
            # With a timeout the client would ask again on its own: two tasks for one file.
            return str(self._server.do_bulk_insert(collection, "", [path], timeout=None, retry_times=0))

    def task(self, task: str) -> ImportTask:
        with self._told("ask for an import"):
            return _task(self._server.get_bulk_insert_state(int(task), timeout=self._config.timeout_s))

    def tasks(self, collection: str) -> list[ImportTask]:
        """Every import into a collection that the server remembers."""
        with self._told("list imports"):
            found = self._server.list_bulk_insert_tasks(LISTED_TASKS, collection, timeout=self._config.timeout_s)
        return [_task(one) for one in found]

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _told(self, method: str) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise told_error(server_name(self._config), method, error, self._config.token) from error


def _task(found: BulkInsertState) -> ImportTask:
    return ImportTask(
        task=str(found.task_id),
        path=_only_file(found.files),
        state=STATES.get(found.state, "running"),
        rows=int(found.row_count),
        reason=" ".join(str(found.failed_reason).split()),
    )


def _only_file(files: Any) -> str:
    """Of a list of one, as it is or written as JSON, or of a name."""
    with contextlib.suppress(ValueError, TypeError):
        files = json.loads(files)
    return str(files[0] if isinstance(files, list) and files else files)


def _table(part: LakeVectors, dim: int, schema: pa.Schema) -> pa.Table:
    offsets = pa.array(np.arange(0, (len(part.keys) + 1) * dim, dim, dtype=np.int32))
    vectors = pa.ListArray.from_arrays(offsets, pa.array(part.vectors.astype(np.float32).ravel()))
    return pa.table([pa.array(part.keys), vectors, pa.array(peaks_to_text(part.peaks), pa.string())], schema=schema)
