"""Vectors in Milvus, each with the spectral peaks of its segment: one class for Milvus Lite and for a Milvus server.

Letters: Q queries, k hits a query, N vectors, M keys asked for, D dimensions, P = PEAKS_A_SEGMENT. Keys are those of
`ingest.fingerprint.grid.vector_key`; vectors have unit length, so the inner product is the cosine.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pymilvus import DataType, MilvusClient
from pymilvus.milvus_client.index import IndexParams

from ingest.errors import ConfigurationError, VectorStoreError
from ingest.fingerprint.grid import vector_key
from ingest.fingerprint.peaks import PEAKS_A_SEGMENT, peaks_from_text, peaks_to_text
from ingest.stores import columns
from ingest.stores.columns import SearchHits, StoredRows
from ingest.stores.config import VectorsConfig
from ingest.stores.milvus import VECTOR_FIELD, MilvusConnection, settle, within

Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Peaks = npt.NDArray[np.uint16]

KEY_FIELD = "id"
PEAKS_FIELD = "peaks"
PEAKS_LETTERS = 2 * PEAKS_A_SEGMENT
METRIC = "IP"
UPSERT_BYTES = 2 << 20  # a request; small enough that searches wait little behind it
KEY_BYTES, PEAKS_BYTES = 9, 2 + PEAKS_LETTERS  # at most, in a request
FETCH_KEYS = 2_048  # a request
DELETE_RANGES = 64  # a request
FLUSH_S = 900.0

INDEX_PARAMS: dict[str, dict[str, Any]] = {
    "FLAT": {},
    "HNSW": {"M": 16, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 1024},
    "IVF_SQ8": {"nlist": 1024},
    "IVF_PQ": {"nlist": 1024, "m": 16, "nbits": 8},
    "SCANN": {"nlist": 1024},
    "DISKANN": {},
    "AUTOINDEX": {},
}
HNSW_EF = 128  # how many neighbours a search keeps; Milvus wants at least k


class Vectors:
    """The collections of one Milvus; safe to share between threads. Errors are VectorStoreError."""

    def __init__(self, config: VectorsConfig, connection: MilvusConnection) -> None:
        self._config = config
        self._connection = connection
        self._ask = connection.ask

    def create(
        self, collection: str, dim: int, index: str | None = None, index_params: dict[str, Any] | None = None
    ) -> None:
        """Create a collection, indexed and loaded; index None takes the configured one. It must not exist."""
        indexes = self._index(index, index_params)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(KEY_FIELD, DataType.INT64, is_primary=True)
        schema.add_field(VECTOR_FIELD, DataType.FLOAT_VECTOR, dim=dim)
        schema.add_field(PEAKS_FIELD, DataType.VARCHAR, max_length=PEAKS_LETTERS)
        properties = {"mmap.enabled": "true"} if self._config.mmap else {}
        self._ask("create_collection", collection, schema=schema, properties=properties)
        self._ask("create_index", collection, indexes)
        self.load(collection)

    def finish(self, collection: str, index: str | None = None) -> None:
        """Index and load a collection whose creation was broken off before that; one with an index is left alone."""
        if self._ask("describe_index", collection, VECTOR_FIELD) is None:
            self._ask("create_index", collection, self._index(index))
            self.load(collection)

    def _index(self, index: str | None, index_params: dict[str, Any] | None = None) -> IndexParams:
        index = index or self._config.index
        configured = self._config.index_params if index == self._config.index else {}
        indexes = MilvusClient.prepare_index_params()
        indexes.add_index(
            VECTOR_FIELD,
            index_type=index,
            index_name=VECTOR_FIELD,
            metric_type=METRIC,
            params=check_index(index) | configured | (index_params or {}),
        )
        return indexes

    def exists(self, collection: str) -> bool:
        return bool(self._ask("has_collection", collection))

    def list(self) -> list[str]:
        """Names of all collections, sorted."""
        return sorted(self._ask("list_collections"))

    def drop(self, collection: str) -> None:
        """Drop a collection and its aliases; one that is not there is fine."""
        if self.exists(collection):
            for alias in self._ask("list_aliases", collection)["aliases"]:
                self._ask("drop_alias", alias)
            self._ask("drop_collection", collection)
            self._connection.forget(collection)

    def load(self, collection: str) -> None:
        """Make a collection searchable (it may have been released); returns when it is, however long that takes."""
        self._connection.load(collection)

    def release(self, collection: str) -> None:
        """Let the server's memory go: the collection stays on disk, and `load` makes it searchable again."""
        self._connection.forget(collection)
        self._ask("release_collection", collection)

    def released(self, collection: str, timeout_s: float | None = None) -> bool:
        """Whether it must be loaded before it can be searched; one that is just being loaded need not."""
        return self._connection.released(collection, timeout_s)

    def upsert(self, collection: str, keys: Keys, vectors: Floats, peaks: Peaks) -> None:
        """Write rows in requests of bounded size; a key must not occur twice in one call.

        Shape: keys int64 [N]; vectors float32 [N, D], finite; peaks uint16 [N, P].
        """
        if vectors.ndim != 2 or keys.shape != vectors.shape[:1] or peaks.shape != (len(keys), PEAKS_A_SEGMENT):
            raise ValueError(f"{keys.shape} keys, {vectors.shape} vectors and {peaks.shape} peaks do not fit")
        if len(np.unique(keys)) < len(keys):
            raise VectorStoreError(f"{self._connection.name}: a key occurs twice in one upsert")
        if not np.isfinite(vectors).all():
            raise VectorStoreError(f"{self._connection.name}: a vector is not finite")
        names = (KEY_FIELD, VECTOR_FIELD, PEAKS_FIELD)
        rows = max(1, UPSERT_BYTES // (KEY_BYTES + 4 * vectors.shape[1] + PEAKS_BYTES))
        for start in range(0, len(keys), rows):
            part = slice(start, start + rows)
            columns = zip(keys[part].tolist(), vectors[part], peaks_to_text(peaks[part]), strict=True)
            self._ask("upsert", collection, [dict(zip(names, row, strict=True)) for row in columns])

    def flush(self, collection: str) -> None:
        """Make what was written durable and indexed; call it once, at the end of a load."""
        self._ask("flush", collection, timeout=FLUSH_S)
        settle(f"{self._connection.name}: {collection} is not indexed", lambda: self._indexing(collection))

    def with_search_params(self, params: Mapping[str, Any]) -> "Vectors":
        """The same store, searched with these parameters beside the configured ones."""
        return Vectors(replace(self._config, search_params=self._config.search_params | dict(params)), self._connection)

    def search(self, collection: str, queries: Floats, k: int, *, strong: bool = False) -> SearchHits:
        """The k nearest stored vectors of each query, in one batched request.

        Shape: queries [Q, D]. `strong` sees everything written before, at the price of a slower answer.
        """
        if len(queries) == 0:
            return SearchHits(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        hits: SearchHits = self._ask(
            columns.search,
            collection,
            queries,
            k,
            loaded=collection,
            field=VECTOR_FIELD,
            params={"metric_type": METRIC, "params": self._search_params(collection, k)},
            consistency=self._consistency(strong),
        )
        return hits

    def fetch(self, collection: str, keys: Keys, *, strong: bool = False) -> StoredRows:
        """Those of the keys [M] that are stored, with their vectors and peaks."""
        wanted = np.unique(keys)
        requests = [wanted[start : start + FETCH_KEYS] for start in range(0, len(wanted), FETCH_KEYS)]
        return StoredRows.joined([self._fetched(collection, request, strong) for request in requests])

    def count(self, collection: str, *, strong: bool = True) -> int:
        """Vectors stored; without `strong` what was written just now may be missing, and nothing waits for it."""
        answer = self._ask(
            "query",
            collection,
            loaded=collection,
            filter="",
            output_fields=["count(*)"],
            consistency_level=self._consistency(strong),
        )
        return int(answer[0]["count(*)"])

    def delete_recordings(self, collection: str, recording_ids: Iterable[int]) -> None:
        """Delete every vector of the recordings."""
        ranges = [
            f"({KEY_FIELD} >= {vector_key(first, 0)} and {KEY_FIELD} < {vector_key(last + 1, 0)})"
            for first, last in _runs(recording_ids)
        ]
        for start in range(0, len(ranges), DELETE_RANGES):
            self._ask(
                "delete",
                collection,
                loaded=collection,
                filter=" or ".join(ranges[start : start + DELETE_RANGES]),
            )

    def point_alias(self, alias: str, collection: str) -> None:
        """Make the alias stand for the collection, whatever it stood for."""
        try:
            self._ask("alter_alias", collection, alias)
        except VectorStoreError:  # there is no such alias yet, or the next line says what is wrong
            self._ask("create_alias", collection, alias)

    def dim(self, collection: str) -> int:
        """Of the vectors that a collection holds."""
        fields = self._ask("describe_collection", collection)["fields"]
        return int(next(field["params"]["dim"] for field in fields if field["name"] == VECTOR_FIELD))

    def server_version(self, timeout_s: float | None = None) -> str:
        return str(self._ask("get_server_version", **within(timeout_s)))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _indexing(self, collection: str) -> str:
        """How far that is, or nothing when it is done."""
        told = self._ask("describe_index", collection, VECTOR_FIELD)
        return str(told) if told.get("pending_index_rows") else ""

    def _fetched(self, collection: str, keys: Keys, strong: bool) -> StoredRows:
        """Those of one request, each once."""
        found = self._ask(
            columns.rows,
            collection,
            f"{KEY_FIELD} in {keys.tolist()}",
            (KEY_FIELD, VECTOR_FIELD, PEAKS_FIELD),
            loaded=collection,
            consistency=self._consistency(strong),
        )
        stored, first = np.unique(found.get(KEY_FIELD, []), return_index=True)
        if not len(stored):
            return StoredRows.joined([])
        try:
            peaks = peaks_from_text(found[PEAKS_FIELD])
        except ValueError as error:
            raise VectorStoreError(f"{self._connection.name}: get: {error}") from error
        return StoredRows(stored, found[VECTOR_FIELD][first], peaks[first])

    def _consistency(self, strong: bool) -> str:
        return "Strong" if strong else self._config.consistency

    def _search_params(self, collection: str, k: int) -> dict[str, Any]:
        if self._connection.index_of(collection) == "HNSW":
            wanted = int(self._config.search_params.get("ef", HNSW_EF))
            return {**self._config.search_params, "ef": max(wanted, k)}
        return self._config.search_params


def check_index(index: str) -> dict[str, Any]:
    """The usual parameters of an index type; raises ConfigurationError for one that is not known."""
    if index not in INDEX_PARAMS:
        raise ConfigurationError(f"vectors.index {index!r} is none of {', '.join(INDEX_PARAMS)}")
    return INDEX_PARAMS[index]


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers, (first, last) each; none of none.

    >>> list(_runs([5, 1, 2, 3, 9]))
    [(1, 3), (5, 5), (9, 9)]
    """
    present = set(numbers)
    firsts = sorted(number for number in present if number - 1 not in present)
    lasts = sorted(number for number in present if number + 1 not in present)
    yield from zip(firsts, lasts, strict=True)


def open_vectors(config: VectorsConfig, home: Path) -> Vectors:
    """Connect; for milvus_lite start the home's server if none runs.

    Raises VectorStoreError when it cannot be reached, ConfigurationError for a setting that makes no sense.
    """
    check_index(config.index)
    return Vectors(config, MilvusConnection(config, home))
