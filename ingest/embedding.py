"""Phase 1: files go through the pipeline wave by wave, and the driver commits what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from conf.events import events
from ingest.config import IngestConfig
from ingest.errors import ErrorBudgetSpent, InfrastructureError
from ingest.file_traces import TracedRun
from ingest.flow import Flow
from ingest.metrics import JobMetrics
from ingest.model import Model
from ingest.pipeline import embed_files
from ingest.progress import Progress
from ingest.ray_session import check_resources, ray_session
from ingest.receipts import Outcomes, Receipts
from ingest.runs import Run
from ingest.stop import StopSignal
from ingest.stores import CatalogStore, Done, Work

LAST_SPANS_S = 2.0  # for actors that end to send what they have left, before Ray goes and they with it

log = events(__name__)


@dataclass
class Embedding:
    """What is pending, embedded and committed; millions of files cost the driver no more memory than one wave.

    `unusable` entries of the listing count against the error budget. `committed` is told what the ledger has.
    """

    config: IngestConfig
    stop: StopSignal
    current: Run
    catalog: CatalogStore
    model: Model
    progress: Progress
    unusable: int
    committed: Callable[[Sequence[Done]], None]

    def run(self) -> None:
        """Raises InfrastructureError, ErrorBudgetSpent, PreflightError if the cluster is too small, Stopped."""
        self.progress.stage("starting Ray")
        with ray_session(self.config.compute):
            self.stop.arm()
            check_resources(self.config.compute)
            actors = self.current.record.actors = self.config.compute.pools.by_stage()
            flow, metrics = Flow(actors), JobMetrics(self.config.catalog.name)
            self.progress.watch(flow)
            self.progress.stage("embedding")
            pending = self.catalog.pending(self.model.checksum)
            while wave := list(islice(pending, self.config.compute.wave_files)):
                self._wave(wave, flow, metrics)
            if TracedRun.here(self.current.record.run_id):
                time.sleep(LAST_SPANS_S)

    def _wave(self, wave: list[Work], flow: Flow, metrics: JobMetrics) -> None:
        receipts, uris = Receipts(), {item.recording_id: item.uri for item in wave}
        run = TracedRun.here(self.current.record.run_id)
        flow.enter(len(wave))
        metrics.show(self.progress.left, flow)
        # Closed whatever happens: no graph may still run while Ray is shut down.
        with closing(embed_files(wave, self.config, self.model, run)) as finished:
            for rows in finished:
                self.stop.check()
                outcomes = receipts.add(rows)
                flow.leave(outcomes.files, len(receipts.unfinished()), outcomes.busy_s)
                self._commit(outcomes)
                _tell(outcomes, uris)
                metrics.count(outcomes)
                metrics.show(self.progress.left, flow)
                self._check_budget()
        if flow.files:
            raise InfrastructureError(f"{flow.files} files went into the pipeline and did not come out; run it again")

    def _commit(self, outcomes: Outcomes) -> None:
        """The ledger first: what the run's record says is so."""
        record = self.current.record
        self.catalog.commit(self.model.checksum, outcomes.done, outcomes.rejects, record.run_id)
        self.committed(outcomes.done)
        record.counts.done += len(outcomes.done)
        record.counts.segments += sum(done.segments for done in outcomes.done)
        record.audio_s += outcomes.audio_s
        for stage, seconds in outcomes.busy_s.items():
            record.busy_s[stage] = record.busy_s.get(stage, 0.0) + seconds
        for done in outcomes.done:
            record.add_duration(done.duration_s)
        self.progress.advance(len(outcomes.done), outcomes.audio_s, len(outcomes.rejects))

    def _check_budget(self) -> None:
        budget, listed = self.config.error_budget, self.current.record.counts.listed
        rejected = self.progress.rejected + self.unusable
        if budget is not None and rejected > budget * listed:
            raise ErrorBudgetSpent(
                f"{rejected} of {listed} files were rejected, more than error_budget={budget:g} allows"
            )


def _tell(outcomes: Outcomes, uris: dict[int, str]) -> None:
    for unit, times in outcomes.asked_again.items():
        log.warning("source asked again", unit=unit, uri=uris[unit], times=times)
    for reject in outcomes.rejects:
        unit = reject.recording_id
        log.info("rejected", unit=unit, uri=uris[unit], code=reject.code, reason=reject.reason)
    for done in outcomes.done:
        log.debug("embedded", unit=done.recording_id, uri=uris[done.recording_id], segments=done.segments)
