"""Imports: files that a Milvus server was asked to take into a collection, remembered before it is asked."""

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ingest.stores.metadata.generations import one_generation
from ingest.stores.metadata.schema import generations, imports, loads
from ingest.stores.metadata.scope import CatalogScope
from ingest.stores.records import Generation, Import


class ImportRows(CatalogScope):
    """The part of a CatalogStore that speaks of bulk imports."""

    def imports(self, generation_id: int) -> list[Import]:
        """By number."""
        columns = [imports.c[name] for name in ("number", "path", "segments", "state", "task", "attempts")]
        query = select(*columns).where(imports.c.generation_id == generation_id).order_by(imports.c.number)
        rows = self._read(lambda connection: connection.execute(query).all())
        return [Import(**row._mapping) for row in rows]

    def imported_recordings(self, generation_id: int, number: int) -> dict[int, int]:
        """What a file holds: segments by recording id."""
        return self._read(lambda connection: _recordings(connection, generation_id, number))

    def add_import(self, generation_id: int, number: int, path: str, recordings: Mapping[int, int]) -> None:
        """Remember a file that was written: segments by recording id."""
        row = {
            "generation_id": generation_id,
            "number": number,
            "path": path,
            "segments": sum(recordings.values()),
            "recordings": [[recording_id, segments] for recording_id, segments in recordings.items()],
            "state": "written",
            "attempts": 0,
            "changed_at": time.time(),
        }
        self._write(lambda connection: connection.execute(insert(imports).values(row)))

    def set_import(self, generation_id: int, number: int, **values: Any) -> None:
        """Change state, task or attempts."""
        mine = update(imports).where(imports.c.generation_id == generation_id, imports.c.number == number)
        self._write(lambda connection: connection.execute(mine.values(changed_at=time.time(), **values)))

    def finish_import(self, generation_id: int, finished: Import) -> None:
        """The file's recordings are loaded, and the file is done with, in one transaction."""
        mine = update(imports).where(imports.c.generation_id == generation_id, imports.c.number == finished.number)

        def work(connection: Connection) -> None:
            held = _recordings(connection, generation_id, finished.number)
            same = {"generation_id": generation_id, "stale": False}
            connection.execute(insert(loads), [same | {"recording_id": k, "segments": n} for k, n in held.items()])
            connection.execute(mine.values(state="done", changed_at=time.time()))

        self._write(work)

    def start_over(self, generation_id: int, collection: str) -> Generation:
        """Nothing is loaded and no import known, the collection is another one; the generation as it is now."""

        def work(connection: Connection) -> Generation:
            for table in (imports, loads):
                connection.execute(delete(table).where(table.c.generation_id == generation_id))
            mine = update(generations).where(generations.c.generation_id == generation_id)
            connection.execute(mine.values(collection=collection))
            return one_generation(connection, self, generations.c.generation_id == generation_id)

        return self._write(work)


def _recordings(connection: Connection, generation_id: int, number: int) -> dict[int, int]:
    mine = imports.c.generation_id == generation_id, imports.c.number == number
    found = connection.scalar(select(imports.c.recordings).where(*mine))
    return {int(recording_id): int(segments) for recording_id, segments in found or ()}
