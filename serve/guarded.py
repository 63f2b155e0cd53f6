"""The vector store behind a circuit breaker: while it is known to be away, nobody waits for it."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ingest.stores import NotLoaded, SearchHits, StoredRows, VectorStoreError
from serve.recogniser import VectorSearch
from serve.standing import Standing

R = TypeVar("R")


class GuardedVectors:
    """Asks the store as long as it stands, and tells what came of it; the watcher's looks let it stand again.

    `on_unloaded` hears of a collection that must be loaded again, and why: that is not for a request to do.
    """

    def __init__(
        self, vectors: VectorSearch, standing: Standing, on_unloaded: Callable[[str, str], None] | None = None
    ) -> None:
        self._vectors = vectors
        self._standing = standing
        self._on_unloaded = on_unloaded or (lambda _, reason: standing.lost(reason))

    def search(self, collection: str, queries: npt.NDArray[np.float32], k: int) -> SearchHits:
        """Raises VectorStoreError."""
        return self._asked(collection, lambda: self._vectors.search(collection, queries, k))

    def fetch(self, collection: str, keys: npt.NDArray[np.int64]) -> StoredRows:
        """Raises VectorStoreError."""
        return self._asked(collection, lambda: self._vectors.fetch(collection, keys))

    def _asked(self, collection: str, work: Callable[[], R]) -> R:
        if not self._standing.there:
            raise VectorStoreError(self._standing.state)
        try:
            found = work()
        except NotLoaded as error:
            self._on_unloaded(collection, str(error))
            raise
        except VectorStoreError as error:
            self._standing.failed(str(error))
            raise
        self._standing.succeeded()
        return found
