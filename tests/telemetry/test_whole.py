"""Job and service as processes: the lines that they write and the traces that they send belong together."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from scripts.demo.processes import free_port, service
from tests.system.catalogue import ingest, write_piece, write_pieces
from tests.telemetry.otlp import Collector, Span, collecting
from tests.waiting import wait_for

pytestmark = pytest.mark.integration
WELL = ("/healthz", "/readyz")


@dataclass
class Told:
    """Lines of log, and traces."""

    job: list[dict[str, Any]]
    service: list[dict[str, Any]]
    collector: Collector


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A job over three good files and a bad one, and a service asked for a clip and for nonsense."""
    folder = tmp_path_factory.mktemp("told")
    music, home, lines = folder / "music", folder / "home", folder / "job.jsonl"
    write_pieces(music, 3)
    (music / "text.mp3").write_text("these are words\n" * 400)
    clip = write_piece(folder, 1).read_bytes()
    with pytest.MonkeyPatch.context() as patch, collecting() as collector:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
        done = ingest(home, music, "logs.format=json", "logs.level=debug", f"logs.file={lines}")
        assert done.returncode == 5, done.stderr
        options = ("logs.format=json", "logs.level=info", "resources.embed_replicas=1")
        with service(home, free_port(), *options) as url:
            for name, body in (("known", clip), ("nonsense", b"words")):
                httpx.post(f"{url}/v1/identify", content=body, headers={"x-request-id": name}, timeout=60.0)
            wait_for_spans(collector)
        yield Told(parsed(lines.read_text()), parsed((home / "serve.log").read_text()), collector)


def wait_for_spans(collector: Collector) -> None:
    wait_for(lambda: len([span for span in collector.named("decode") if span.service == "refrain-serve"]) == 2)
    wait_for(lambda: len(collector.named("replica_handle_request api __call__")) > 1)


def parsed(text: str) -> list[dict[str, Any]]:
    """The lines that are objects; programs print a few others for people."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def of(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def test_a_run_from_line_to_line(told: Told) -> None:
    """Every line of the run names it; it begins, goes through its stages, tells each unit, and ends with its counts."""
    (started,), (ended,) = of(told.job, "run started"), of(told.job, "run ended")
    assert {line["run_id"] for line in told.job} == {started["run_id"]}
    assert {(line["service"], line["catalog"]) for line in told.job} == {("refrain-ingest", "default")}
    assert [line["stage"] for line in of(told.job, "stage ended")] == ["list", "embed", "load", "verify", "publish"]
    (rejected,) = of(told.job, "rejected")
    assert rejected["code"] == "unreadable" and rejected["uri"].endswith("text.mp3")
    units = {line["unit"] for line in of(told.job, "embedded")}
    assert len(units) == 3 and rejected["unit"] not in units
    assert (ended["state"], ended["done"], ended["rejected"]) == ("done", 3, 1)
    assert of(told.job, "progress")


def test_a_run_as_traces(told: Told) -> None:
    """One of the run with a span a stage, and one of each file from stage to stage, linked to it."""
    (run,) = told.collector.named("run")
    assert run.attributes["refrain.run_id"] == of(told.job, "run started")[0]["run_id"]
    assert {line["trace_id"] for line in told.job} == {run.trace_id}
    inside = {span.name for span in told.collector.spans if span.parent_id == run.span_id}
    assert inside == {"list", "embed", "load", "verify", "publish"}
    files = [span for span in told.collector.named("decode") if span.service == "refrain-ingest"]
    assert len(files) == 4 and {span.links for span in files} == {(run.trace_id,)}
    for unit in (line["unit"] for line in of(told.job, "embedded")):
        (first,) = [span for span in files if span.attributes["refrain.unit"] == unit]
        later = {span.name for span in told.collector.spans if span.parent_id == first.span_id}
        assert later == {"embed", "write"}


def test_a_request_from_line_to_line(told: Told) -> None:
    """A request's lines carry its id, which the caller may choose: the answer in short, and how it ended."""
    known = [line for line in told.service if line.get("request_id") == "known"]
    answered, request = known
    assert answered["event"] == "clip answered" and answered["confidence"] > 0.9 and answered["total_ms"] > 0
    assert (request["event"], request["route"], request["status"]) == ("request", "/v1/identify", 200)
    (refused,) = [line for line in told.service if line.get("request_id") == "nonsense"]
    assert (refused["event"], refused["status"], refused["code"]) == ("request", 422, "unreadable")
    assert {line["service"] for line in told.service} == {"refrain-serve"}
    assert not [line for line in told.service if line.get("route") in WELL], "looks at health are not told"


def test_a_request_as_a_trace(told: Told) -> None:
    """From the replica that has it to the stages, also to the other replica that embeds; the lines name the trace."""
    (answered,) = of(told.service, "clip answered")
    spans = {span.span_id: span for span in told.collector.spans if span.trace_id == answered["trace_id"]}
    names = {span.name for span in spans.values()}
    assert {"POST /v1/identify", "decode", "embed", "search", "match", "lookup"} <= names
    (embedding,) = [span for span in spans.values() if span.name == "replica_handle_request encoder embed"]
    assert ancestors(embedding, spans)[-1] == "replica_handle_request api __call__"


def ancestors(span: Span, spans: dict[str, Span]) -> list[str]:
    found = []
    while span.parent_id:
        span = spans[span.parent_id]
        found.append(span.name)
    return found
