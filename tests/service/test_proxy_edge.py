"""What Ray's proxy says by itself, as callers see it."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.local_ray import ENVIRONMENT
from serve.proxy_edge import IMPORT_PATH, ProxyEdge, middlewares
from serve.schema import Problem
from tests.repository.paths import ROOT
from tests.service.live import serving
from tests.service.world import World


class Proxy:
    """As Ray's does: passes on what the path's replica says, speaks plainly where there is none, or not at all."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/lost":
            return
        await self._app(scope, receive, send)


async def full(_: Request) -> Response:
    return PlainTextResponse("Request dropped due to backpressure", 503)


async def refused(_: Request) -> Response:
    return JSONResponse({"code": "too_many_requests"}, 429, media_type="application/problem+json")


async def healthy(_: Request) -> Response:
    return PlainTextResponse("success")


APP = Starlette(
    routes=[Route("/full", full), Route("/refused", refused), Route("/metrics", healthy), Route("/-/healthz", full)],
    middleware=[Middleware(ProxyEdge), Middleware(Proxy)],
)


def asked(path: str) -> httpx.Response:
    with serving(APP) as client:
        return client.get(path, headers={"x-request-id": "mine"})


@pytest.mark.parametrize(("path", "code"), [("/full", "overloaded"), ("/lost", "replica_lost")])
def test_the_proxy_speaks_as_the_service_does(path: str, code: str) -> None:
    """A refusal in plain text, and no answer at all, are problems that may be repeated."""
    response = asked(path)
    assert response.status_code == 503 and response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem(**response.json())
    assert (problem.code, problem.request_id, problem.title) == (code, "mine", "Service Unavailable")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/refused", 429, '{"code":"too_many_requests"}'), ("/metrics", 200, "success"), ("/-/healthz", 503, "Request")],
)
def test_what_replicas_say_passes(path: str, status: int, text: str) -> None:
    """Problems of the service, plain text that is none, and the proxy's own routes stay as they are."""
    response = asked(path)
    assert response.status_code == status and response.text.startswith(text)


def test_every_proxy_is_told_of_it() -> None:
    """A Ray of our own and the containers of a cluster name the same function, which Serve accepts."""
    assert [one.cls for one in middlewares()] == [ProxyEdge]
    name = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
    assert ENVIRONMENT[name] == IMPORT_PATH
    assert f"{name}={IMPORT_PATH}" in (ROOT / "k8s/base/environment.env").read_text().splitlines()


def test_rays_proxies_learn_the_routes() -> None:
    """The application shows the patterns by which Ray's proxies count, so that looks at the health are no queries."""
    found = {route.path for route in World.with_songs().api().routes if isinstance(route, Route)}
    assert found >= {"/v1/identify", "/v1/tracks/{track_id}", "/healthz", "/readyz", "/metrics"}
