"""HTTP: a long recording in, segments out, all at the end or one by one as they are over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from ingest.fingerprint import RefrainError
from serve.config import BoundsConfig
from serve.meter import Meter
from serve.problems import TooManyRequests, UnknownCatalog, documented, problem_of
from serve.schema import Segment, TimelineAnswer, TimelineEnd
from serve.timelines import Following, Timelines
from serve.uploads import DRAIN_BYTES, drain, spool
from serve.wishes import CatalogName, check_catalog

NDJSON = "application/x-ndjson"
GONE = 499  # what logs and figures call a caller who left


End = Callable[[Following], TimelineEnd]


class TimelineService(Protocol):
    """What the route calls."""

    bounds: BoundsConfig
    catalog_name: str
    timelines: Timelines


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


def add_timeline(
    app: FastAPI, service: TimelineService, body: dict[str, Any], responses: dict[int | str, Any], meter: Meter
) -> None:
    """The route; `body` and `responses` document it."""

    def end(following: Following) -> TimelineEnd:
        told = following.end()
        meter.timeline(told.timings_ms)
        return told

    @app.post(
        "/v1/timeline",
        tags=["queries"],
        summary="What is heard in this long recording, and when?",
        description=f"With `Accept: {NDJSON}` every segment comes as a line as soon as it is over, and the last line "
        "is the answer without them, or a problem. With `progress=true` a line of `heard_s` and `share` (from 0 to 1) "
        "comes after every window that was listened to.",
        openapi_extra={"requestBody": body},
        response_model=TimelineAnswer,
        responses=responses
        | documented(s404="`unknown_catalog`")
        | {200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
    )
    async def timeline(
        request: Request,
        min_confidence: Annotated[
            float | None, Query(ge=0, le=1, description="Tell segments from this confidence on.")
        ] = None,
        catalog: CatalogName = None,
        progress: Annotated[bool, Query(description="Tell how far it is, where segments are streamed.")] = False,
    ) -> Response:
        async with AsyncExitStack() as stack:
            await _admit(request, service, stack, catalog)
            following = await _begun(request, service, stack, min_confidence)
            gone = asyncio.ensure_future(_left(request))
            stack.callback(gone.cancel)
            try:
                first = await _unless(gone, following)  # what is wrong from the start on still has a status of its own
                if NDJSON not in request.headers.get("accept", ""):
                    return await _whole(first, gone, following, end)
                source = stack.pop_all()
                found = _found(first, gone, following, progress)
                return Lines(_lines(request, found, partial(end, following), source), source)
            except CallerGone:
                return Response(status_code=GONE)


async def _admit(request: Request, service: TimelineService, stack: AsyncExitStack, catalog: str | None) -> None:
    """Raises TooManyRequests, UnknownCatalog, once whoever is still sending can read it."""
    try:
        check_catalog(catalog, service.catalog_name)
        await stack.enter_async_context(service.timelines.admitted())
    except (TooManyRequests, UnknownCatalog):
        await drain(request.receive, DRAIN_BYTES, service.bounds.timeline_body_timeout_s)
        raise


async def _begun(
    request: Request, service: TimelineService, stack: AsyncExitStack, min_confidence: float | None
) -> Following:
    """The recording, once all of it is there. Raises what `spool` does, NotReady, Draining."""
    bounds = service.bounds
    body = spool(request, bounds.timeline_body_bytes, bounds.timeline_body_timeout_s)
    file = await service.timelines.drain.unless(body)
    following = service.timelines.follow(file.file, min_confidence)
    stack.callback(following.close)
    return following


async def _left(request: Request) -> None:
    """Return when the caller has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _unless(gone: asyncio.Future[None], following: Following) -> list[Segment] | None:
    """The next segments. Raises CallerGone."""
    step = asyncio.create_task(following.next())
    try:
        await asyncio.wait((gone, step), return_when=asyncio.FIRST_COMPLETED)
        if step.done():
            return step.result()
        raise CallerGone
    finally:
        step.cancel()


async def _whole(first: list[Segment] | None, gone: asyncio.Future[None], following: Following, end: End) -> Response:
    segments: list[Segment] = []
    found = first
    while found is not None:
        segments += found
        found = await _unless(gone, following)
    answer = TimelineAnswer(segments=segments, **end(following).model_dump())
    return JSONResponse(answer.model_dump())


class Lines(StreamingResponse):
    """A stream of JSON lines; whatever ends it, or keeps it from beginning, closes what it comes from."""

    def __init__(self, lines: AsyncIterator[str], source: AsyncExitStack) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._source:
            await super().__call__(scope, receive, send)


async def _found(
    first: list[Segment] | None, gone: asyncio.Future[None], following: Following, progress: bool
) -> AsyncGenerator[BaseModel]:
    """Segments, and after every window how far it is, if that is wanted. Raises CallerGone."""
    found = first
    while found is not None:
        for segment in found:
            yield segment
        if progress:
            yield following.progress
        found = await _unless(gone, following)


async def _lines(
    request: Request, found: AsyncGenerator[BaseModel], end: Callable[[], TimelineEnd], source: AsyncExitStack
) -> AsyncIterator[str]:
    """What is found, then the end or the problem; whoever reads the end finds the place free."""
    try:
        async with aclosing(found):
            async for model in found:
                yield _line(model)
        last = _line(end())
        await source.aclose()
        yield last
    except CallerGone:
        return
    except RefrainError as error:
        await source.aclose()
        yield _line(problem_of(request, error))


def _line(model: BaseModel) -> str:
    return model.model_dump_json() + "\n"
