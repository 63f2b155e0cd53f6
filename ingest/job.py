"""One run of a catalogue: list, embed what is new, load it, verify it, publish it, under the catalogue's lock.

Each step can be repeated: what the ledger already says is not done again, so a run that was killed anywhere is
finished by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from opentelemetry import trace

from conf.events import events, naming
from ingest.catalog import Listing, list_catalog
from ingest.checks import READS_THE_SOURCE
from ingest.config import IngestConfig
from ingest.deletion import to_delete, to_restore, vanished
from ingest.early_load import EarlyLoad, generation_to_load_early
from ingest.embedding import Embedding
from ingest.errors import RefrainError
from ingest.filling import Filling
from ingest.job_stores import Stores, open_stores
from ingest.load import generation_to_fill, generation_to_reindex
from ingest.model import Model, read_model
from ingest.preflight import preflight, refuse_local_parts
from ingest.progress import Progress
from ingest.publish import activate, prune, publish, to_promote, to_roll_back_to
from ingest.report import write_reports
from ingest.runs import RejectLine, Run, RunRecord
from ingest.stop import Stopped, StopSignal
from ingest.stores import CatalogStore, Generation
from ingest.stores.removal import delete_tracks, drop_superseded

log = events(__name__)
tracer = trace.get_tracer(__name__)


def run(config: IngestConfig, stop: StopSignal) -> RunRecord:
    """Do what changes a catalogue: every action but `plan`, `status` and `report`.

    Returns the run's record. Raises PreflightError (also CatalogLocked) before anything was begun, InfrastructureError
    or ErrorBudgetSpent after it, Stopped on SIGTERM.
    """
    refuse_local_parts(config)
    model = read_model(config.encoder)
    with open_stores(config) as stores, stores.catalog.lock():
        if config.action in READS_THE_SOURCE:
            preflight(config, model, stores.catalog, stores.vectors, stores.lake)
        current = Run.start(config.home_root, config)
        current.record.model_checksum = model.checksum
        with _told(current), _recorded(current, stores.catalog):
            Job(config, stop, current, stores, model).run()
        return current.record


@dataclass
class Job:
    """The steps of a run, in order."""

    config: IngestConfig
    stop: StopSignal
    current: Run
    stores: Stores
    model: Model

    def run(self) -> None:
        """Do what the action says."""
        match self.config.action:
            case "promote":
                self._switch(to_promote(self.stores.catalog, self.stores.vectors))
            case "rollback":
                self._switch(to_roll_back_to(self.stores.catalog, self.stores.vectors))
            case "reindex":
                self._reindex()
            case "prune":
                dropped = prune(self.stores.catalog, self.stores.vectors)
                self.current.record.message = f"dropped: {', '.join(dropped) or 'nothing'}"
            case "delete":
                self._delete(to_delete(self.config.delete, self.stores.catalog))
            case "restore":
                self._restore(to_restore(self.config.delete, self.stores.catalog))
            case "retry_failed":
                self.stores.catalog.forget_rejects(self.model.checksum)
                self._ingest()
            case _:
                self._ingest()

    def _ingest(self) -> None:
        catalog, encoder = self.stores.catalog, self.model.checksum
        with Progress(every_s=self.config.progress.every_s) as progress:
            with self.current.stage("list"):
                listing = self._list(progress)
            if self.config.force:
                catalog.forget_done(encoder)
            progress.begin(self.current.put_manifest(catalog.pending(encoder)))
            try:
                if progress.total:
                    self._embed(progress, len(listing.unusable))
                self._load(progress)
            finally:
                self.current.record.samples = progress.samples
                self._report_rejects(listing)
        self.stores.lake.sweep(encoder, catalog.named_lake_files(encoder))

    def _list(self, progress: Progress) -> Listing:
        progress.stage("listing")
        listing = list_catalog(self.config.catalog, self.config.home_dir, progress.listed)
        found = self.stores.catalog.register(listing, self.current.record.run_id)
        counts = self.current.record.counts
        counts.listed, counts.skipped = found.listed + len(listing.unusable), listing.skipped
        counts.new, counts.changed = found.new, found.changed
        counts.unchanged, counts.removed = found.unchanged, found.removed
        self.current.set_removed(self.stores.catalog.removed_tracks())
        return listing

    def _embed(self, progress: Progress, unusable: int) -> None:
        catalog, generation = self.stores.catalog, generation_to_load_early(self.config, self.stores, self.model)
        early = EarlyLoad(generation, self.stores, self.current, self.config.compute.load_batch)
        with early, self.current.stage("embed"):
            Embedding(
                self.config, self.stop, self.current, catalog, self.model, progress, unusable, early.committed
            ).run()

    def _load(self, progress: Progress) -> None:
        catalog, vectors = self.stores.catalog, self.stores.vectors
        progress.stage("loading")
        generation = self.filling.run(generation_to_fill(catalog, vectors, self.config, self.model))
        with self.current.stage("publish"):
            self.current.record.counts.published = publish(generation, catalog, vectors)
        if self.config.delete.removed:
            self._delete(vanished(self.config.delete, catalog))

    def _delete(self, track_ids: list[int]) -> None:
        catalog = self.stores.catalog
        with self.current.stage("delete"):
            delete_tracks(track_ids, catalog, self.stores.vectors)
        active = catalog.active_generation()
        if active:
            self.filling.verify(active)
        self.current.record.counts.deleted = len(track_ids)
        if self.config.action == "delete":
            self.current.record.message = f"{len(track_ids):,} tracks deleted"

    def _restore(self, track_ids: list[int]) -> None:
        self.stores.catalog.restore_tracks(track_ids)
        self.current.record.message = f"{len(track_ids):,} tracks restored; the next run brings them back"

    def _reindex(self) -> None:
        catalog, vectors = self.stores.catalog, self.stores.vectors
        generation = self.filling.run(generation_to_reindex(catalog, vectors, self.config.vectors.index))
        catalog.mark_ready(generation.generation_id)
        self.current.record.message = f"{generation.collection} is ready; action=promote lets it answer"

    def _switch(self, generation: Generation) -> None:
        """Promote or roll back: what came and went since the generation was filled is made up for first."""
        self.filling.run(generation)
        with self.current.stage("publish"):
            activate(generation, self.stores.catalog, self.stores.vectors)
            drop_superseded(generation, self.stores.catalog, self.stores.vectors)
        waiting = self.stores.catalog.counts(generation.encoder).pending
        missing = f"; not embedded by its encoder yet: {waiting:,}, for a run with it" if waiting else ""
        self.current.record.message = f"{generation.collection} answers now{missing}"

    @property
    def filling(self) -> Filling:
        """Phase 2 of whatever generation."""
        return Filling(self.config, self.current, self.stores, self.stop.check)

    def _report_rejects(self, listing: Listing) -> None:
        self.current.set_same_audio(self.stores.catalog.same_audio(self.model.checksum))
        unusable = [RejectLine(entry.uri, entry.code, entry.reason) for entry in listing.unusable]
        stored = self.stores.catalog.rejects(self.model.checksum)
        self.current.set_rejects([*unusable, *(RejectLine(row.uri, row.code, row.reason) for row in stored)])


@contextmanager
def _told(current: Run) -> Iterator[None]:
    """Log lines and traces name the run, and say how it ended."""
    record = current.record
    marks = {"refrain.run_id": record.run_id, "refrain.catalog": record.catalog}
    with naming(run_id=record.run_id), tracer.start_as_current_span(record.action, attributes=marks):
        log.info("run started", action=record.action, encoder=record.model_checksum, host=record.host)
        try:
            yield
        finally:
            counts = {name: count for name, count in asdict(record.counts).items() if count}
            log.info(
                "run ended", state=record.state, reason=record.message, elapsed_s=round(record.elapsed_s, 3), **counts
            )


@contextmanager
def _recorded(current: Run, catalog: CatalogStore) -> Iterator[None]:
    """Whatever happens inside, the run's directory and the runs table say how it ended."""
    record = current.record
    catalog.start_run(record.run_id, record.action)
    try:
        yield
        current.finish("done", record.message)
    except RefrainError as error:
        current.finish("failed", str(error))
        raise
    except Stopped:
        current.finish("stopped")
        raise
    finally:
        if record.state == "running":
            current.finish("failed", "unexpected error")
        write_reports(current)
        catalog.finish_run(record.run_id, record.state, record.counts.__dict__)
