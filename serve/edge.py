"""The outermost layer of the application: request ids, and one figure and one log line for every request."""

import time
import uuid
from collections.abc import Sequence
from logging import DEBUG, INFO, WARNING

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conf import traces
from conf.events import events, naming
from serve.meter import Meter

LOOKS = ("/healthz", "/readyz", "/metrics")  # of orchestrators, every few seconds

log = events(__name__)

REQUEST_ID = "x-request-id"
MAX_ID = 128


class Edge:
    """Gives a request its id (the caller's, if there is one) and the response the same.

    `echo=False` behind Ray Serve's proxy, which puts the header on the response itself. `routes` are those inside: Ray
    asks an application for them, and its proxies count requests by their patterns, or else all of them as one route.
    """

    def __init__(self, app: ASGIApp, meter: Meter, echo: bool, routes: Sequence[BaseRoute] = ()) -> None:
        self.routes = routes
        self._app = app
        self._meter = meter
        self._echo = echo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = (Headers(scope=scope).get(REQUEST_ID) or uuid.uuid4().hex)[:MAX_ID]
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 500
        start = time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._echo:
                    MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        _carry_on_trace(scope)
        with naming(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            finally:
                elapsed_ms = (time.perf_counter() - start) * 1000
                route, code, key = route_of(scope), state.get("problem_code", "ok"), state.get("key", "")
                self._meter.request(route, status, code, elapsed_ms, key)
                level = DEBUG if route in LOOKS else WARNING if status == 500 else INFO  # a 503 is a promise
                log.log(
                    level, "request", method=scope["method"], route=route, status=status, code=code, key=key,
                    elapsed_ms=round(elapsed_ms, 2),
                )  # fmt: skip


def _carry_on_trace(scope: Scope) -> None:
    """FastAPI's spans hang on what the headers name: that is the replica's span, where Ray Serve traces the request."""
    span = traces.written(trace.get_current_span().get_span_context())
    if span:
        MutableHeaders(scope=scope)[traces.HEADER] = span


def route_of(scope: Scope) -> str:
    """The pattern that the path matched: the paths themselves are callers' words, and without end."""
    return getattr(scope.get("route"), "path", None) or "none"
