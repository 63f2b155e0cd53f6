"""`python -m serve.noop home=DIR [option=value …]`: the service of `python -m serve` without what it does.

The same Ray, the same proxy, a replica that reads the body and answers nothing: what is left is what HTTP costs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from serve.__main__ import main as serve_main
from serve.config import ServeConfig


class NoopReplica:
    """Reads whatever is sent, and says nothing about it."""

    def __serve_build_asgi_app__(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


async def answer(request: Request) -> JSONResponse:
    """An empty object, once the body is there."""
    await request.body()
    return JSONResponse({})


def application(config: ServeConfig) -> Any:
    """A ray.serve.Application of one replica, called `api` as the service's is."""
    from ray import serve  # after LocalRay has set what Ray reads when it is imported

    from serve.app import SIDE_REQUESTS

    at_once = config.bounds.concurrent + config.bounds.waiting + SIDE_REQUESTS
    replica = serve.deployment(name="api")(serve.ingress()(NoopReplica))
    return replica.options(
        ray_actor_options={"num_cpus": config.resources.api_cpus}, max_ongoing_requests=at_once
    ).bind()


if __name__ == "__main__":
    code = serve_main(sys.argv[1:], build=application)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as the service's does
