"""What a job says to Prometheus while it runs, through Ray's own endpoint: counters of the driver, which knows all.

Ray sets `ray_` before the names. It passes them on every ten seconds, and once more when the driver leaves a cluster.

refrain_ingest_files_total          {catalog, outcome: done | rejected}
refrain_ingest_rejects_total        {catalog, code}
refrain_ingest_audio_seconds_total  {catalog}            embedded
refrain_ingest_vectors_total        {catalog}            stored in the lake
refrain_ingest_busy_seconds_total   {catalog, stage}     of all actors of a stage together
refrain_ingest_files_left           {catalog}            gauge
refrain_ingest_files_in_pipeline    {catalog}            gauge: those of them that Ray has
refrain_ingest_files_begun          {catalog}            gauge: those of them that lie in the lake in part
refrain_ingest_utilisation          {catalog, stage}     gauge: share of the recent time that its actors worked
"""

from __future__ import annotations

from collections import Counter as Tally

from ray.util.metrics import Counter, Gauge

from ingest.flow import Flow
from ingest.receipts import Outcomes

PREFIX = "refrain_ingest_"


class JobMetrics:
    """Made and fed inside a Ray session."""

    def __init__(self, catalog: str) -> None:
        self._same = {"catalog": catalog}
        self._files = _counter("files_total", "files that are through", "outcome")
        self._rejects = _counter("rejects_total", "files that cannot be ingested", "code")
        self._audio = _counter("audio_seconds_total", "seconds of audio embedded")
        self._vectors = _counter("vectors_total", "vectors stored in the lake")
        self._busy = _counter("busy_seconds_total", "seconds that the actors of a stage worked", "stage")
        self._left = _gauge("files_left", "files still to do")
        self._queued = _gauge("files_in_pipeline", "files that went into the pipeline and did not come out yet")
        self._begun = _gauge("files_begun", "files of which some windows are in the lake")
        self._utilisation = _gauge("utilisation", "share of the recent time that the actors of a stage worked", "stage")

    def count(self, outcomes: Outcomes) -> None:
        """Add what was committed."""
        self._add(self._files, len(outcomes.done), outcome="done")
        self._add(self._files, len(outcomes.rejects), outcome="rejected")
        for code, number in Tally(reject.code for reject in outcomes.rejects).items():
            self._add(self._rejects, number, code=code)
        self._add(self._audio, outcomes.audio_s)
        self._add(self._vectors, sum(done.segments for done in outcomes.done))
        for stage, seconds in outcomes.busy_s.items():
            self._add(self._busy, seconds, stage=stage)

    def show(self, left: int, flow: Flow) -> None:
        """How it stands: `left` files are still to do."""
        self._left.set(left, self._same)
        self._queued.set(flow.files, self._same)
        self._begun.set(flow.begun, self._same)
        for stage, share in flow.utilisation().items():
            self._utilisation.set(share, self._same | {"stage": stage})

    def _add(self, counter: Counter, value: float, **tags: str) -> None:
        if value > 0:  # a counter takes nothing less
            counter.inc(value, self._same | tags)


def _counter(name: str, description: str, *tags: str) -> Counter:
    return Counter(PREFIX + name, description, ("catalog", *tags))


def _gauge(name: str, description: str, *tags: str) -> Gauge:
    return Gauge(PREFIX + name, description, ("catalog", *tags))
