"""Traces for OpenTelemetry, where its own variables ask for them, and nothing elsewhere.

OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 sends them there, as OTLP over HTTP. OTEL_TRACES_SAMPLER=
parentbased_traceidratio with OTEL_TRACES_SAMPLER_ARG=0.01 records one in a hundred, OTEL_SDK_DISABLED=true none.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
HEADER = "traceparent"  # of W3C's recommendation Trace Context


def wanted() -> bool:
    """Whether the environment says where traces go."""
    return any(map(os.environ.get, ENDPOINTS)) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def provider(service: str, sampler: Sampler | None = None) -> TracerProvider | None:
    """What makes spans and sends them, until its `shutdown`; None where none are wanted.

    OTEL_SERVICE_NAME wins over `service`, and the environment's sampler stands in for None.
    """
    if not wanted():
        return None
    name = os.environ.get("OTEL_SERVICE_NAME") or service
    made = TracerProvider(sampler, Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False)
    made.add_span_processor(sending())
    return made


@contextmanager
def tracing(service: str, sampler: Sampler | None = None) -> Iterator[None]:
    """What this process does meanwhile is traced, wherever `opentelemetry.trace` is asked for a span."""
    made = provider(service, sampler)
    if made is None:
        yield
        return
    trace.set_tracer_provider(made)
    try:
        yield
    finally:
        made.shutdown()


def sending() -> SpanProcessor:
    """Sends spans in batches, from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # and protobuf

    return BatchSpanProcessor(OTLPSpanExporter())


def share() -> float:
    """The share of traces that the environment's sampler records.

    >>> share()
    1.0
    """
    asked = os.environ.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    if asked.endswith("always_off"):
        return 0.0
    try:
        return float(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1")) if asked.endswith("traceidratio") else 1.0
    except ValueError:
        return 1.0  # as OpenTelemetry does


def written(context: trace.SpanContext) -> str | None:
    """A span that is recorded, to be named in another process; None for one that is not."""
    if not context.trace_flags.sampled:
        return None
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(trace.NonRecordingSpan(context)))
    return carrier[HEADER]


def read(text: str) -> trace.SpanContext:
    """The span that `written` named."""
    carrier: Mapping[str, str] = {HEADER: text}
    context = TraceContextTextMapPropagator().extract(carrier)
    return trace.get_current_span(context).get_span_context()
