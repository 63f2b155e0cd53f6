"""The three stores of a job, opened together: what is wrong with any of them is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from ingest.config import IngestConfig
from ingest.errors import InfrastructureError, PreflightError
from ingest.stores import CatalogStore, Lake, Vectors, open_lake, open_metadata, open_vectors

S = TypeVar("S")


@dataclass(frozen=True)
class Stores:
    """One catalogue's part of each."""

    catalog: CatalogStore
    vectors: Vectors
    lake: Lake


@contextmanager
def open_stores(config: IngestConfig) -> Iterator[Stores]:
    """All three, or a PreflightError that says which of them do not answer."""
    with ExitStack() as opened:
        problems: list[str] = []
        metadata = _opened(opened, problems, lambda: open_metadata(config.metadata, config.home_dir))
        vectors = _opened(opened, problems, lambda: open_vectors(config.vectors, config.home_dir))
        if metadata is None or vectors is None:
            raise PreflightError("; ".join(problems))
        lake = open_lake(config.lake, config.home_dir, config.catalog.name)
        yield Stores(metadata.catalog(config.catalog.name), vectors, lake)


def _opened(opened: ExitStack, problems: list[str], store: Callable[[], AbstractContextManager[S]]) -> S | None:
    """The store, open until the end; what is wrong with it joins the problems."""
    try:
        return opened.enter_context(store())
    except InfrastructureError as error:
        problems.append(str(error))
        return None
