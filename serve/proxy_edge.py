"""What Ray Serve's proxy says by itself, told as the service tells it: a problem with a code and Retry-After.

The proxy speaks where no replica does: all are full, none is there, or the one that was answering is gone. Serve gives
the first two as plain text and leaves the last one to the HTTP server, as a 500. Every one of them may be repeated.

Light on purpose: the proxy imports it and `serve.heads`, and nothing else of ours.
"""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve import heads

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
IMPORT_PATH = "serve.proxy_edge:middlewares"  # for RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH
OWN_PATHS = "/-/"  # the proxy's own routes begin with it
REFUSED = ("overloaded", "no replica can take the request now")
LOST = ("replica_lost", "the replica that was answering is gone")


class ProxyEdge:
    """Lies around the proxy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN_PATHS):
            await self._app(scope, receive, send)
            return
        begun = refused = False

        async def answer(message: Message) -> None:
            nonlocal begun, refused
            if message["type"] == "http.response.start":
                begun, refused = True, is_plain_refusal(message)
                if refused:
                    await problem(scope, *REFUSED)(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, answer)
        if not begun:
            await problem(scope, *LOST)(scope, receive, send)


def is_plain_refusal(message: Message) -> bool:
    """Whether it begins a 429 or 503 that is no problem of the service."""
    refusals = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    said = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] in refusals and said.startswith("text/plain")


def problem(scope: Scope, code: str, detail: str) -> JSONResponse:
    """A 503 as `serve.problems` would make it."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    body = {
        "type": f"urn:refrain:problem:{code}",
        "title": status.phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": Headers(scope=scope).get("x-request-id"),
    }
    return JSONResponse(body, status, {"Retry-After": str(RETRY_AFTER_S)}, MEDIA_TYPE)


def middlewares() -> list[Middleware]:
    """For Ray Serve, which asks in the proxy's process before it listens: heads are bounded from here on as well."""
    heads.bound()
    return [Middleware(ProxyEdge)]
