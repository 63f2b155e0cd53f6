"""Phase 2: a generation's collection brought up to the ledger, by upsert or by imports, and verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from ingest.bulk_load import BulkLoad, Unsettled, imports_wanted, start_over
from ingest.config import IngestConfig
from ingest.errors import VerificationError
from ingest.job_stores import Stores
from ingest.load import fill
from ingest.runs import Run
from ingest.stores import Generation
from ingest.stores.bulk import BulkImports, ImportFiles
from ingest.stores.removal import FILLED, drop_superseded
from ingest.verify import verify


@dataclass
class Filling:
    """`check` is called between the steps, and may raise."""

    config: IngestConfig
    current: Run
    stores: Stores
    check: Callable[[], None]

    def run(self, generation: Generation) -> Generation:
        """The generation as it is afterwards. Raises VectorStoreError, LakeError, VerificationError.

        Imports that cannot be settled, or do not add up, are given up with their collection, once.
        """
        try:
            self._fill_and_verify(generation)
        except (Unsettled, VerificationError):
            if generation.state != "filling" or not self.stores.catalog.imports(generation.generation_id):
                raise
            generation = start_over(generation, self.stores.catalog, self.stores.vectors)
            self._fill_and_verify(generation)
        return generation

    def verify(self, generation: Generation) -> None:
        """Does it hold what the ledger says? The record tells what was found."""
        with self.current.stage("verify"):
            found = verify(generation, self.stores.catalog, self.stores.vectors)
        self.current.record.verified = asdict(found)

    def _fill_and_verify(self, generation: Generation) -> None:
        if generation.state in FILLED:  # what a job was deleting when it was killed is still in the ledger
            drop_superseded(generation, self.stores.catalog, self.stores.vectors)
        with self.current.stage("load"):
            if imports_wanted(generation, self.stores.catalog, self.config.vectors):
                self._import(generation)
            else:
                self._upsert(generation)
        self.verify(generation)

    def _upsert(self, generation: Generation) -> None:
        catalog, vectors, lake = self.stores.catalog, self.stores.vectors, self.stores.lake
        for _ in fill(generation, catalog, vectors, lake, self.config.compute.load_batch):
            self.check()

    def _import(self, generation: Generation) -> None:
        config, stores = self.config.vectors, self.stores
        files = ImportFiles(str(config.import_uri))
        with BulkImports(config) as tasks:
            load = BulkLoad(
                generation, stores.catalog, stores.vectors, stores.lake, files, tasks, config,
                self.config.compute.load_batch, self.check,
            )  # fmt: skip
            for _ in load.run():
                self.check()
