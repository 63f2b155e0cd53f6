"""One run of a catalogue: list, embed what is new, load it, verify it, publish it, under the catalogue's lock.

Each step can be repeated: what the ledger already says is not done again, so a run that was killed anywhere is
finished by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TypeVar

from ingest.bulk_load import BulkLoad, Unsettled, imports_wanted, start_over
from ingest.catalog import Listing, list_catalog
from ingest.checks import READS_THE_SOURCE
from ingest.config import IngestConfig
from ingest.deletion import delete_tracks, to_delete, vanished
from ingest.errors import ErrorBudgetSpent, InfrastructureError, PreflightError, RefrainError, VerificationError
from ingest.load import fill, generation_to_fill
from ingest.metrics import JobMetrics
from ingest.model import Model, read_model
from ingest.pipeline import actors_by_stage, embed_files
from ingest.preflight import preflight, refuse_local_parts
from ingest.progress import Progress
from ingest.publish import activate, drop_superseded, publish, to_promote, to_roll_back_to
from ingest.ray_session import check_resources, ray_session
from ingest.receipts import Outcomes, Receipts
from ingest.report import write_reports
from ingest.runs import RejectLine, Run, RunRecord
from ingest.stop import Stopped, StopSignal
from ingest.stores import CatalogStore, Generation, Lake, Vectors, Work, open_lake, open_metadata, open_vectors
from ingest.stores.bulk import BulkImports, ImportFiles
from ingest.verify import verify

S = TypeVar("S")


@dataclass(frozen=True)
class Stores:
    """The three stores of a job."""

    catalog: CatalogStore
    vectors: Vectors
    lake: Lake


def run(config: IngestConfig, stop: StopSignal) -> RunRecord:
    """Do what changes a catalogue: `action=run`, `retry_failed`, `promote`, `rollback`, `delete`.

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
        with _recorded(current, stores.catalog):
            Job(config, stop, current, stores, model).run()
        return current.record


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
                self._switch(to_promote(self.stores.catalog))
            case "rollback":
                self._switch(to_roll_back_to(self.stores.catalog))
            case "delete":
                self._delete(to_delete(self.config.delete, self.stores.catalog))
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
                    with self.current.stage("embed"):
                        self._embed(listing, progress)
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
        return listing

    def _embed(self, listing: Listing, progress: Progress) -> None:
        """Phase 1: the driver commits what the sink reports, in the order it comes; wave after wave of files, so that
        millions of them cost the driver no more memory than one wave.
        """
        progress.stage("starting Ray")
        with ray_session(self.config.compute):
            self.stop.arm()
            check_resources(self.config.compute)
            self.current.record.actors = actors_by_stage(self.config.compute)
            metrics = JobMetrics(self.config.catalog.name)
            progress.stage("embedding")
            pending = self.stores.catalog.pending(self.model.checksum)
            while wave := list(islice(pending, self.config.compute.wave_files)):
                self._embed_wave(wave, listing, progress, metrics)

    def _embed_wave(self, wave: list[Work], listing: Listing, progress: Progress, metrics: JobMetrics) -> None:
        receipts, finished = Receipts(), 0
        for rows in embed_files(wave, self.config, self.model):
            self.stop.check()
            outcomes = receipts.add(rows)
            finished += len(outcomes.done) + len(outcomes.rejects)
            self._commit(outcomes, progress)
            metrics.count(outcomes, progress.left)
            self._check_budget(listing, progress)
        if finished < len(wave):
            lost = len(wave) - finished
            raise InfrastructureError(f"{lost} files went into the pipeline and did not come out; run it again")

    def _commit(self, outcomes: Outcomes, progress: Progress) -> None:
        run_id = self.current.record.run_id
        self.stores.catalog.commit(self.model.checksum, outcomes.done, outcomes.rejects, run_id)
        record = self.current.record
        record.counts.done += len(outcomes.done)
        record.counts.segments += sum(done.segments for done in outcomes.done)
        record.audio_s += outcomes.audio_s
        for stage, seconds in outcomes.busy_s.items():
            record.busy_s[stage] = record.busy_s.get(stage, 0.0) + seconds
        for done in outcomes.done:
            record.add_duration(done.duration_s)
        progress.advance(len(outcomes.done), outcomes.audio_s, len(outcomes.rejects))

    def _check_budget(self, listing: Listing, progress: Progress) -> None:
        budget, listed = self.config.error_budget, self.current.record.counts.listed
        rejected = progress.rejected + len(listing.unusable)
        if budget is not None and rejected > budget * listed:
            raise ErrorBudgetSpent(
                f"{rejected} of {listed} files were rejected, more than error_budget={budget:g} allows"
            )

    def _load(self, progress: Progress) -> None:
        """Phase 2: fill the generation, verify it, publish it."""
        catalog, vectors = self.stores.catalog, self.stores.vectors
        progress.stage("loading")
        generation = self._fill(generation_to_fill(catalog, vectors, self.config, self.model))
        with self.current.stage("publish"):
            self.current.record.counts.published = publish(generation, catalog, vectors)
        if self.config.delete.removed:
            self._delete(vanished(self.config.delete, catalog))

    def _delete(self, track_ids: list[int]) -> None:
        catalog, vectors = self.stores.catalog, self.stores.vectors
        with self.current.stage("delete"):
            delete_tracks(track_ids, catalog, vectors)
        with self.current.stage("verify"):
            active = catalog.active_generation()
            if active:
                self.current.record.verified = asdict(verify(active, catalog, vectors))
        self.current.record.counts.deleted = len(track_ids)
        if self.config.action == "delete":
            self.current.record.message = f"{len(track_ids):,} tracks deleted"

    def _fill(self, generation: Generation) -> Generation:
        """Bring a generation up to the ledger, and make sure that it is there; as it is afterwards.

        Imports that cannot be settled, or do not add up, are given up with their collection, once.
        """
        catalog, vectors = self.stores.catalog, self.stores.vectors
        try:
            self._put_and_verify(generation)
        except (Unsettled, VerificationError):
            if generation.state != "filling" or not catalog.imports(generation.generation_id):
                raise
            generation = start_over(generation, catalog, vectors)
            self._put_and_verify(generation)
        return generation

    def _put_and_verify(self, generation: Generation) -> None:
        with self.current.stage("load"):
            self._put(generation)
        with self.current.stage("verify"):
            found = verify(generation, self.stores.catalog, self.stores.vectors)
        self.current.record.verified = asdict(found)

    def _put(self, generation: Generation) -> None:
        catalog, vectors, lake = self.stores.catalog, self.stores.vectors, self.stores.lake
        config, batch_vectors = self.config.vectors, self.config.compute.load_batch
        if not imports_wanted(generation, catalog, config):
            for _ in fill(generation, catalog, vectors, lake, batch_vectors):
                self.stop.check()
            return
        files = ImportFiles(str(config.import_uri))
        with BulkImports(config) as tasks:
            check = self.stop.check
            for _ in BulkLoad(generation, catalog, vectors, lake, files, tasks, config, batch_vectors, check).run():
                check()

    def _switch(self, generation: Generation) -> None:
        """Promote or roll back: what came and went since the generation was filled is made up for first."""
        self._fill(generation)
        with self.current.stage("publish"):
            activate(generation, self.stores.catalog, self.stores.vectors)
            drop_superseded(generation, self.stores.catalog, self.stores.vectors)
        self.current.record.message = f"{generation.collection} answers now"

    def _report_rejects(self, listing: Listing) -> None:
        self.current.set_same_audio(self.stores.catalog.same_audio(self.model.checksum))
        unusable = [RejectLine(entry.uri, entry.code, entry.reason) for entry in listing.unusable]
        stored = self.stores.catalog.rejects(self.model.checksum)
        self.current.set_rejects([*unusable, *(RejectLine(row.uri, row.code, row.reason) for row in stored)])


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
