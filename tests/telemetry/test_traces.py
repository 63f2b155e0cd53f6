"""Traces: when there are any, what carries them from process to process, and what an actor tells of a file."""

import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from conf import traces
from ingest.file_traces import FileTraces, TracedRun
from tests.telemetry.otlp import Collector, collecting

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    with collecting() as found:
        monkeypatch.setenv(ENDPOINT, found.endpoint)
        yield found


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*traces.ENDPOINTS, "OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"):
        monkeypatch.delenv(name, raising=False)


def a_span() -> trace.SpanContext:
    return TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("run").get_span_context()


def test_nothing_is_traced_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collector's address, or with OpenTelemetry switched off, there is no provider."""
    assert traces.provider("refrain-ingest") is None
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    assert traces.wanted()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    assert not traces.wanted()


@pytest.mark.parametrize(
    ("sampler", "argument", "share"),
    [
        (None, None, 1.0),
        ("parentbased_traceidratio", "0.05", 0.05),
        ("traceidratio", "many", 1.0),
        ("always_off", "1", 0.0),
        ("parentbased_always_on", "0.05", 1.0),
    ],
)
def test_the_share_that_is_recorded(
    sampler: str | None, argument: str | None, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As OpenTelemetry reads its own variables."""
    for name, value in (("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert traces.share() == share


def test_a_span_is_named_to_another_process() -> None:
    """What is written is W3C's traceparent and comes back the same; a span that is not recorded has no name."""
    context = a_span()
    text = traces.written(context)
    assert text and text.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    again = traces.read(text)
    assert (again.trace_id, again.span_id, again.is_remote) == (context.trace_id, context.span_id, True)
    assert traces.written(trace.INVALID_SPAN_CONTEXT) is None


def test_a_file_from_stage_to_stage(collector: Collector) -> None:
    """The stages of a file hang together, in a trace of its own, linked to the run's; an actor's end sends it."""
    span = traces.written(a_span())
    assert span is not None
    run = TracedRun("r1", span)
    decoder, embedder = FileTraces(run), FileTraces(run)
    first = decoder.begin(7, "s3://music/a.mp3")
    name = traces.written(first.get_span_context())
    first.end()
    embedder.add("embed", name, time.time_ns(), window=0)
    embedder.add("embed", None, time.time_ns(), window=0)
    del decoder, embedder
    (decoded,), (embedded,) = collector.named("decode"), collector.named("embed")
    assert decoded.service == "refrain-ingest" and decoded.parent_id == ""
    assert decoded.attributes == {"refrain.run_id": "r1", "refrain.unit": 7, "refrain.uri": "s3://music/a.mp3"}
    assert decoded.links == (span.split("-")[1],) and decoded.trace_id not in decoded.links
    assert (embedded.trace_id, embedded.parent_id) == (decoded.trace_id, decoded.span_id)


def test_files_of_a_run_that_is_not_traced(collector: Collector) -> None:
    """They cost nothing and say nothing."""
    assert TracedRun.here("r1") is None
    actor = FileTraces(None)
    span = actor.begin(7, "a.mp3")
    assert traces.written(span.get_span_context()) is None
    span.end()
    del actor
    assert collector.spans == []


def test_few_files_of_many(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's sampler chooses them, although the run itself is recorded."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.1")
    run = TracedRun("r1", traces.written(a_span()) or "")
    actor = FileTraces(run)
    for unit in range(500):
        actor.begin(unit, "a.mp3").end()
    del actor
    assert 20 <= len(collector.spans) <= 90
