"""HTTP: routes, documentation, answers. What a route does is in `serve.service`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Protocol

import anyio.to_thread
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from conf.events import events
from serve.access import KeyRing, protected
from serve.config import BoundsConfig
from serve.degraded import flag
from serve.edge import Edge
from serve.listen_route import add_listen
from serve.listening import Listeners
from serve.meter import Meter, NoMeter
from serve.problems import documented, install
from serve.schema import Health, Identification, Info
from serve.standing import OK, UNREADY
from serve.timeline_route import add_timeline
from serve.timelines import Timelines
from serve.track_routes import TrackDesk, add_tracks
from serve.uploads import read_clip
from serve.vector_routes import add_vectors
from serve.vectors import VectorDesk
from serve.wishes import CatalogName, Limit, MinConfidence, check_catalog

WEB = Path(__file__).with_name("web")
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
_JSON = {
    "schema": {
        "type": "object",
        "required": ["audio"],
        "properties": {"audio": {"type": "string", "format": "byte", "description": "Base64."}},
    },
    "example": {"audio": "UklGRqRWAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQ=="},
}
CLIP_BODY = {
    "description": "Any audio or video that FFmpeg opens, from 0.5 s on: as the part `file` of a form, as base64 in "
    "JSON, or as the raw bytes under any other content type, which is a hint at most.",
    "required": True,
    "content": {
        "multipart/form-data": _FORM,
        "application/json": _JSON,
        "application/octet-stream": _BINARY,
        "audio/*": _BINARY,
    },
}
LONG_BODY = {
    "description": "As of a clip, but not in JSON.",
    "required": True,
    "content": {"multipart/form-data": _FORM, "application/octet-stream": _BINARY, "audio/*": _BINARY},
}

log = events(__name__)


class Service(Protocol):
    """What the routes call: `serve.service.QueryService`, or a fake."""

    bounds: BoundsConfig
    timelines: Timelines
    listeners: Listeners
    vectors: VectorDesk

    catalog_name: str

    @property
    def tracks(self) -> TrackDesk: ...

    def running(self) -> AbstractAsyncContextManager[None]: ...

    async def identify(
        self, data: bytes, limit: int, min_confidence: float | None, start_s: float | None, evidence: bool
    ) -> Identification: ...

    async def info(self) -> Info: ...

    def readiness(self) -> Health: ...


QUERY_PROBLEMS = documented(
    s400="`empty_body`, `malformed_upload`",
    s408="`body_timeout`",
    s413="`body_too_large`",
    s422="`unreadable`, `no_audio_stream`, `too_short`, `too_long`, `silent`, `decode_timeout`, `decode_failed`, "
    "`invalid_parameter`",
    s429="`too_many_requests`, with Retry-After",
    s503="`not_ready`, `overloaded`, `encoder`, `decoder`, `replica_lost`, `draining`, `deadline_exceeded`, "
    "`vector_store`, `metadata_store`, with Retry-After",
)


def build_api(
    service: Service,
    meter: Meter | None = None,
    *,
    echo_request_id: bool = True,
    ring: KeyRing | None = None,
    origins: Sequence[str] = (),
) -> Edge:
    """The ASGI application over a service; its edge lies around everything, also around the answer to a bug.

    Without a ring of keys whoever reaches it may ask.
    """
    figures = meter or NoMeter()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="Refrain",
        summary="A few noisy seconds in; the recording, the place in it and a confidence out.",
        version=version("refrain"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    install(app)
    add_queries(app, service, figures)
    add_vectors(app, service, figures, CLIP_BODY, QUERY_PROBLEMS)
    add_timeline(app, service, LONG_BODY, QUERY_PROBLEMS, figures)
    add_listen(app, service, origins)
    add_state(app, service, figures)
    add_tracks(app, service.tracks)
    add_pages(app)
    return Edge(protected(app, service.bounds, ring, origins), figures, echo_request_id, app.routes)


def add_queries(app: FastAPI, service: Service, meter: Meter) -> None:
    """The routes that callers come for."""

    @app.post(
        "/v1/identify",
        tags=["queries"],
        summary="Which recording is this clip of, and where in it?",
        openapi_extra={"requestBody": CLIP_BODY},
        responses=QUERY_PROBLEMS | documented(s404="`unknown_catalog`"),
    )
    async def identify(
        request: Request,
        response: Response,
        limit: Limit = 5,
        min_confidence: MinConfidence = None,
        start_s: Annotated[
            float | None,
            Query(ge=0, le=1e6, description="Match from here on, in place of the loudest stretch of a long upload."),
        ] = None,
        catalog: CatalogName = None,
        evidence: Annotated[
            bool, Query(description="Tell with each match which moments of clip and track met, and how alike they are.")
        ] = False,
    ) -> Identification:
        clip = await read_clip(request, service.bounds)
        check_catalog(catalog, service.catalog_name)
        answer = await service.identify(clip, limit, min_confidence, start_s, evidence)
        meter.stages(answer.timings_ms, bool(answer.matches), answer.degraded)
        log.info("clip answered", **told(answer))
        flag(response, answer.degraded)
        return answer


def told(answer: Identification) -> dict[str, float | int | bool | None]:
    """What a log line says of an answer."""
    best = answer.matches[0] if answer.matches else None
    found = {"track_id": best.track_id, "offset_s": best.offset_s, "confidence": best.confidence} if best else {}
    timings = {f"{stage}_ms": elapsed_ms for stage, elapsed_ms in answer.timings_ms.items()}
    return {"matches": len(answer.matches), "duration_s": answer.query.duration_s, **found, **timings}


def add_state(app: FastAPI, service: Service, meter: Meter) -> None:
    """The routes that operators and orchestrators come for."""

    @app.get(
        "/v1/info",
        tags=["operation"],
        summary="What is being served",
        responses=documented(s503="`not_ready`, `metadata_store`"),
    )
    async def info() -> Info:
        return await service.info()

    @app.get("/healthz", tags=["operation"], summary="Is the process alive?")
    async def healthz() -> Health:
        return Health(status=OK)

    @app.get(
        "/readyz",
        tags=["operation"],
        summary="Would a query be answered?",
        description="`ok`, or `degraded`: without names, as the metadata store is away.",
        responses={503: {"model": Health, "description": "Not now; `checks` says why."}},
    )
    async def readyz() -> JSONResponse:
        health = service.readiness()
        return JSONResponse(health.model_dump(), 503 if health.status == UNREADY else 200)

    @app.get("/metrics", tags=["operation"], summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        page = await anyio.to_thread.run_sync(meter.page)
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4; charset=utf-8")


def add_pages(app: FastAPI) -> None:
    """The web page, and the documentation: both without a request to anywhere else."""

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(WEB / "index.html", headers=PAGE_HEADERS)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(WEB / "docs.html", headers=PAGE_HEADERS)

    app.mount("/web", PageFiles(directory=WEB), name="web")


class PageFiles(StaticFiles):
    """Asked about at every visit, so that a page is never put together from two versions."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = PAGE_HEADERS["Cache-Control"]
        return response
