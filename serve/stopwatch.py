"""Milliseconds spent in each stage of a request, each a span where the request is traced."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

tracer = trace.get_tracer(__name__)


class Stopwatch:
    """Adds up named stages; one may be entered several times. `total` runs from the construction on."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            with tracer.start_as_current_span(name):
                yield
        finally:
            self._spent[name] = self._spent.get(name, 0.0) + time.perf_counter() - begin

    def deduct(self, name: str, seconds: float) -> None:
        """Take off what other stages spent inside a stage."""
        self._spent[name] = max(0.0, self._spent.get(name, 0.0) - seconds)

    def timings_ms(self, *stages: str) -> dict[str, float]:
        """The stages asked for, 0.0 where one was never entered, and `total`."""
        found = {name: self._spent.get(name, 0.0) for name in stages}
        found["total"] = time.perf_counter() - self._start
        return {name: round(seconds * 1000, 2) for name, seconds in found.items()}

    def spent_s(self, *stages: str) -> float:
        return sum(self._spent.get(name, 0.0) for name in stages)
