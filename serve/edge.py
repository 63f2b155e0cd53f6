"""The outermost layer of the application: request ids and one figure for every request."""

import time
import uuid
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.meter import Meter

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

        try:
            await self._app(scope, receive, answer)
        finally:
            elapsed_ms = (time.perf_counter() - start) * 1000
            code, key = state.get("problem_code", "ok"), state.get("key", "")
            self._meter.request(route_of(scope), status, code, elapsed_ms, key)


def route_of(scope: Scope) -> str:
    """The pattern that the path matched: the paths themselves are callers' words, and without end."""
    return getattr(scope.get("route"), "path", None) or "none"
