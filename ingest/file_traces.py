"""A trace of each file that is chosen, through the processes of the pipeline: decoding, embedding, and the lake.

A file's trace begins with its decoding and is linked to the run's; its span travels in the rows. The files of one batch
have spans of the same time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context

from conf import traces

SERVICE = "refrain-ingest"  # as traces and log lines name the job


@dataclass(frozen=True)
class TracedRun:
    """What the actors know of the run that they work for."""

    run_id: str
    span: str  # as `conf.traces.written`

    @classmethod
    def here(cls, run_id: str) -> TracedRun | None:
        """The run whose span is the current one; None where nothing is traced."""
        span = traces.written(trace.get_current_span().get_span_context())
        return cls(run_id, span) if span else None


class FileTraces:
    """What an actor tells of the files that it has; nothing without a run that is traced. Sends the rest at its end."""

    def __init__(self, run: TracedRun | None) -> None:
        self._run = run
        self._provider = traces.provider(SERVICE) if run else None
        self._links = [trace.Link(traces.read(run.span))] if run else []
        self._tracer = (self._provider or trace.NoOpTracerProvider()).get_tracer(__name__)

    def begin(self, unit: int, uri: str) -> trace.Span:
        """The first span of a file, to be ended by the caller."""
        if self._run is None:
            return trace.INVALID_SPAN
        marks: dict[str, str | int] = {"refrain.run_id": self._run.run_id, "refrain.unit": unit, "refrain.uri": uri}
        return self._tracer.start_span("decode", context=Context(), attributes=marks, links=self._links)

    def add(self, name: str, first: str | None, started_ns: int, **marks: str | int) -> None:
        """A span that ends now, of the file whose first one is `first`; nothing for a file that is not traced."""
        if first is None:
            return
        context = trace.set_span_in_context(trace.NonRecordingSpan(traces.read(first)), Context())
        span = self._tracer.start_span(name, context=context, attributes=marks, start_time=started_ns)
        span.end(time.time_ns())

    def __del__(self) -> None:
        if getattr(self, "_provider", None) is not None:
            with suppress(Exception):  # whatever is left of an interpreter that ends
                self._provider.shutdown()  # type: ignore[union-attr]
