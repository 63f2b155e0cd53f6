"""Runs: which jobs touched the catalogue."""

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from ingest.stores.metadata.schema import runs
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.records import Run


class RunRows(CatalogScope):
    """The part of a CatalogStore that speaks of runs."""

    def start_run(self, run_id: str, action: str) -> None:
        """Remember that a run began; its id must be new in the catalogue."""
        row = {
            "catalog_id": self.catalog_id,
            "run_id": run_id,
            "action": action,
            "state": "running",
            "started_at": time.time(),
            "counts": {},
        }
        self._write(lambda connection: connection.execute(insert(runs).values(row)))

    def finish_run(self, run_id: str, state: str, counts: Mapping[str, Any]) -> None:
        """Remember how it ended."""
        mine = update(runs).where(runs.c.catalog_id == self.catalog_id, runs.c.run_id == run_id)
        ended = mine.values(state=state, ended_at=time.time(), counts=dict(counts))
        self._write(lambda connection: connection.execute(ended))

    def runs(self, limit: int = 20) -> list[Run]:
        """The newest first."""
        columns = (column for column in runs.c if column is not runs.c.catalog_id)
        query = select(*columns).where(runs.c.catalog_id == self.catalog_id)
        newest = query.order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
        rows = self._read(lambda connection: connection.execute(newest).all())
        return [Run(**row._mapping) for row in rows]
