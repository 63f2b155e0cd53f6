"""Vectors in Milvus: one class for Milvus Lite and for a Milvus server.

Letters: Q queries, k hits a query, N vectors, M keys asked for, D dimensions. Keys are those of
`ingest.fingerprint.grid.vector_key`; vectors have unit length, so the inner product is the cosine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ingest.stores.config import VectorsConfig

Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SearchHits:
    """The nearest stored vectors of each query, best first.

    Shape: keys int64 [Q, k], −1 where fewer than k exist; scores float32 [Q, k] cosine, −1.0 there.
    """

    keys: Keys
    scores: Floats


class Vectors:
    """The collections of one Milvus; safe to share between threads. Errors are VectorStoreError."""

    def create(
        self, collection: str, dim: int, index: str | None = None, index_params: dict[str, Any] | None = None
    ) -> None:
        """Create a collection, indexed and loaded; index None takes the configured one. It must not exist."""
        raise NotImplementedError

    def exists(self, collection: str) -> bool:
        raise NotImplementedError

    def list(self) -> list[str]:
        """Names of all collections, sorted."""
        raise NotImplementedError

    def drop(self, collection: str) -> None:
        """Drop a collection and its alias; one that is not there is fine."""
        raise NotImplementedError

    def load(self, collection: str) -> None:
        """Make a collection searchable (it may have been released); returns when it is."""
        raise NotImplementedError

    def upsert(self, collection: str, keys: Keys, vectors: Floats) -> None:
        """Write vectors in requests of bounded size; a key must not occur twice in one call.

        Shape: keys int64 [N], vectors float32 [N, D].
        """
        raise NotImplementedError

    def flush(self, collection: str) -> None:
        """Make what was written durable and its index built; once at the end of a load."""
        raise NotImplementedError

    def search(self, collection: str, queries: Floats, k: int) -> SearchHits:
        """The k nearest stored vectors of each query, in one batched request. Shape: queries [Q, D]."""
        raise NotImplementedError

    def fetch(self, collection: str, keys: Keys) -> tuple[Keys, Floats]:
        """Those of the keys that are stored, ascending, and their vectors. Shape: [M] → [N], [N, D]."""
        raise NotImplementedError

    def count(self, collection: str) -> int:
        """Vectors stored, strongly consistent."""
        raise NotImplementedError

    def count_recordings(self, collection: str, recording_ids: Iterable[int]) -> dict[int, int]:
        """Vectors stored of each recording, strongly consistent."""
        raise NotImplementedError

    def delete_recordings(self, collection: str, recording_ids: Iterable[int]) -> None:
        """Delete every vector of the recordings."""
        raise NotImplementedError

    def point_alias(self, alias: str, collection: str) -> None:
        """Make the alias stand for the collection, whatever it stood for."""
        raise NotImplementedError

    def server_version(self) -> str:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_vectors(config: VectorsConfig, home: Path) -> Vectors:
    """Connect; for milvus_lite start the home's server if none runs. Raises VectorStoreError."""
    raise NotImplementedError
