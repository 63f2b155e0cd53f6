"""Readers together, a writer alone: what Milvus Lite leaves to its caller.

Its reads may overlap each other, but not a write: rows that are being flushed would be missing from a search,
and two writes of one collection would race.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]

READS = (
    "Search",
    "Query",
    "HybridSearch",
    "Get",
    "Describe",
    "Has",
    "Show",
    "List",
    "Connect",
    "CheckHealth",
)


class Gate:
    """A lock of many readers or one writer; waiting writers go first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and not self._writers_waiting)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._changed:
            self._writers_waiting += 1
            try:
                self._changed.wait_for(lambda: not self._writing and not self._readers)
                self._writing = True
            finally:
                self._writers_waiting -= 1
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class GateInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Sends each request of a Milvus server through the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        reads = details.method.rsplit("/", 1)[-1].startswith(READS)

        def gated(request: Any, context: Any) -> Any:
            with self._gate.reading() if reads else self._gate.writing():
                return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(gated, handler.request_deserializer, handler.response_serializer)
