"""Traces of the service. Ray Serve makes the spans of its replicas and of the calls between them; the stages are ours.

Where the environment asks for them (`conf.traces`) `python -m serve` switches them on. A cluster's Serve reads
RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH and RAY_SERVE_TRACING_SAMPLING_RATIO.
"""

import os
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor

from conf import traces

SERVICE = "refrain-serve"
IMPORT_PATH = "serve.traces:span_processors"


def span_processors() -> list[SpanProcessor]:
    """What Ray Serve hands its spans to, in each of its processes."""
    os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE)  # before Serve makes the provider, which reads it
    return [traces.sending()]


def tracing_config() -> dict[str, Any]:
    """The `tracing_config` of `serve.start`."""
    return {"enabled": traces.wanted(), "exporter_import_path": IMPORT_PATH, "sampling_ratio": traces.share()}
