"""Phase 2 for much at once: lake → Parquet files in a Milvus server's storage → import tasks.

Only into a collection that a catalogue's job created and nobody serves: an import does not look for keys that are there
already. A file is remembered before the server is asked to take it, so that a job that is killed in between finds the
task again by its file. What cannot be settled (Unsettled) means dropping the collection and loading it again.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ingest.errors import VectorStoreError
from ingest.load import batches, read_batch
from ingest.stores import CatalogStore, Generation, Import, Lake, Vectors, VectorsConfig
from ingest.stores.bulk import BulkImports, ImportFiles, ImportTask

ATTEMPTS = 3  # of a file whose import fails
POLL_S = 2.0


class Unsettled(VectorStoreError):
    """Nobody can say what the collection holds of an import."""


def imports_possible(generation: Generation, catalog: CatalogStore, config: VectorsConfig) -> bool:
    """Whether a generation may be filled by imports: if nothing else has put anything there so far."""
    if config.load == "upsert" or config.kind != "milvus" or not config.import_uri or generation.state != "filling":
        return False
    imported = sum(one.segments for one in catalog.imports(generation.generation_id) if one.state == "done")
    return catalog.loaded_segments(generation.generation_id) == imported


def imports_wanted(generation: Generation, catalog: CatalogStore, config: VectorsConfig) -> bool:
    """Whether it is: where that is possible, with much to load, or if it was begun so."""
    if not imports_possible(generation, catalog, config):
        return False
    if config.load == "import" or catalog.imports(generation.generation_id):
        return True
    return catalog.segments_to_load(generation.generation_id) >= config.import_from_rows


@dataclass
class BulkLoad:
    """The imports of one generation; `check` is called while waiting, and may raise."""

    generation: Generation
    catalog: CatalogStore
    vectors: Vectors
    lake: Lake
    files: ImportFiles
    tasks: BulkImports
    config: VectorsConfig
    batch_vectors: int
    check: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    _moved: dict[str, tuple[int, float]] = field(default_factory=dict)  # rows of a task, and since when so many

    def run(self) -> Iterator[int]:
        """Import everything; yields the rows of each file that is in. Raises VectorStoreError, Unsettled."""
        self.vectors.release(self.generation.collection)  # searching costs the server what importing needs
        self._find_again()
        self._write_files()
        while waiting := [one for one in self._known() if one.state != "done"]:
            self.check()
            for one in waiting:
                if one.state == "written":
                    self._submit(one)
                elif self._finished(one):
                    yield one.segments
            self.pause(POLL_S)
        self.vectors.flush(self.generation.collection)  # indexed first: what is loaded before is searched row by row
        self.vectors.load(self.generation.collection)

    def _known(self) -> list[Import]:
        return self.catalog.imports(self.generation.generation_id)

    def _find_again(self) -> None:
        """What an earlier job may have submitted: the server's task list knows."""
        open_ones = [one for one in self._known() if one.state in ("submitting", "submitted")]
        if not open_ones:
            return
        by_path: dict[str, list[ImportTask]] = defaultdict(list)
        for task in self.tasks.tasks(self.generation.collection):
            by_path[task.path].append(task)
        for one in open_ones:
            alive = [task for task in by_path[one.path] if task.state != "failed"]
            if len(alive) > 1 or (one.state == "submitted" and not by_path[one.path]):
                self._let_tasks_end()
                raise Unsettled(f"{self.generation.collection}: the server knows {len(alive)} imports of {one.path}")
            if alive:
                self._set(one, state="submitted", task=alive[0].task)
            else:
                self._set(one, state="written", task=None)

    def _let_tasks_end(self) -> None:
        """Milvus 2.3 imports nothing any more once a collection is dropped that it imports into."""
        deadline = self.clock() + self.config.import_timeout_s
        while any(task.state == "running" for task in self.tasks.tasks(self.generation.collection)):
            self.check()
            if self.clock() > deadline:
                return
            self.pause(POLL_S)

    def _write_files(self) -> None:
        """Files of about `import_rows` rows, in the order of keys, of what is in none yet."""
        known, generation_id = self._known(), self.generation.generation_id
        covered = [self.catalog.imported_recordings(generation_id, one.number) for one in known if one.state != "done"]
        loads = self.catalog.to_load(generation_id)
        missing = (load for load in loads if not any(load.recording_id in held for held in covered))
        first = 1 + max((one.number for one in known), default=-1)
        for number, group in enumerate(batches(missing, self.config.import_rows), first):
            self.check()
            name = f"{self.generation.collection}-{number:05d}.parquet"
            parts = (read_batch(part, self.generation, self.lake) for part in batches(group, self.batch_vectors))
            path = self.files.write(name, parts, self.generation.dim)
            recordings = {load.recording_id: load.segments for load in group}
            self.catalog.add_import(generation_id, number, path, recordings)

    def _submit(self, one: Import) -> None:
        if one.attempts == ATTEMPTS:
            raise VectorStoreError(f"{self.generation.collection}: {one.path} was not imported in {ATTEMPTS} attempts")
        one = replace(one, attempts=one.attempts + 1)
        self._set(one, state="submitting", attempts=one.attempts)
        task = self.tasks.submit(self.generation.collection, one.path)
        self._set(one, state="submitted", task=task)

    def _finished(self, one: Import) -> bool:
        """Look at a submitted file; one that failed is written again in the next round."""
        if one.task is None:
            raise Unsettled(f"{self.generation.collection}: {one.path} was submitted, and nobody knows as what")
        task = self.tasks.task(one.task)
        if task.state == "done":
            if task.rows != one.segments:
                raise Unsettled(f"{one.path}: the server imported {task.rows} of {one.segments} rows")
            self.catalog.finish_import(self.generation.generation_id, one)
            self.files.remove(one.path.rpartition("/")[2])
            return True
        if task.state == "failed":
            if one.attempts >= ATTEMPTS:
                raise VectorStoreError(f"{self.generation.collection}: import of {one.path} failed: {task.reason}")
            self._set(one, state="written", task=None)
        elif self._stands_still(task):
            waited = self.config.import_timeout_s
            raise Unsettled(f"{one.path}: its import (task {task.task}) does not get on for {waited:g} s")
        return False

    def _stands_still(self, task: ImportTask) -> bool:
        rows, since = self._moved.get(task.task, (-1, 0.0))
        if task.rows != rows:
            self._moved[task.task] = (task.rows, self.clock())
            return False
        return self.clock() - since > self.config.import_timeout_s

    def _set(self, one: Import, **values: object) -> None:
        self.catalog.set_import(self.generation.generation_id, one.number, **values)


def start_over(generation: Generation, catalog: CatalogStore, vectors: Vectors) -> Generation:
    """The generation with a new, empty collection, into which everything is to be loaded again.

    Under another name: what the server may still import for the old one must not meet it.
    """
    vectors.drop(generation.collection)
    anew = catalog.start_over(generation.generation_id, f"{generation.collection}_{secrets.token_hex(2)}")
    vectors.create(anew.collection, anew.dim, anew.index)
    return anew
