"""Runs: which jobs touched the catalogue."""

from collections.abc import Mapping
from typing import Any

from ingest.stores.records import Run


class RunRows:
    """The part of a CatalogStore that speaks of runs."""

    def start_run(self, run_id: str, action: str) -> None:
        raise NotImplementedError

    def finish_run(self, run_id: str, state: str, counts: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def runs(self, limit: int = 20) -> list[Run]:
        """The newest first."""
        raise NotImplementedError
