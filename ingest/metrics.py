"""What a job says to Prometheus while it runs, through Ray's own endpoint: counters of the driver, which knows all.

refrain_ingest_files_total          {catalog, outcome: done | rejected}
refrain_ingest_rejects_total        {catalog, code}
refrain_ingest_audio_seconds_total  {catalog}            embedded
refrain_ingest_vectors_total        {catalog}            stored in the lake
refrain_ingest_busy_seconds_total   {catalog, stage}     of all actors of a stage together
refrain_ingest_files_left           {catalog}            gauge
"""

from __future__ import annotations

from collections import Counter as Tally

from ray.util.metrics import Counter, Gauge

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
        self._left = Gauge(f"{PREFIX}files_left", "files still to do", ("catalog",))

    def count(self, outcomes: Outcomes, left: int) -> None:
        """Add what was committed; `left` files are still to do."""
        self._add(self._files, len(outcomes.done), outcome="done")
        self._add(self._files, len(outcomes.rejects), outcome="rejected")
        for code, number in Tally(reject.code for reject in outcomes.rejects).items():
            self._add(self._rejects, number, code=code)
        self._add(self._audio, outcomes.audio_s)
        self._add(self._vectors, sum(done.segments for done in outcomes.done))
        for stage, seconds in outcomes.busy_s.items():
            self._add(self._busy, seconds, stage=stage)
        self._left.set(left, self._same)

    def _add(self, counter: Counter, value: float, **tags: str) -> None:
        if value > 0:  # a counter takes nothing less
            counter.inc(value, self._same | tags)


def _counter(name: str, description: str, *tags: str) -> Counter:
    return Counter(PREFIX + name, description, ("catalog", *tags))
