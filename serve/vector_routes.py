"""HTTP: audio in, embeddings out; embeddings in, matches out. What they do is in `serve.vectors`."""

from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request, Response

from serve.config import BoundsConfig
from serve.degraded import flag
from serve.meter import Meter
from serve.problems import documented
from serve.schema import Identification
from serve.uploads import read_clip, read_whole
from serve.vector_schema import Embedded, VectorEncoding, VectorQuery
from serve.vectors import VectorDesk
from serve.wishes import CatalogName, Limit, MinConfidence, check_catalog

COMPONENTS = "#/components/schemas/{model}"

StartS = Annotated[
    float | None,
    Query(ge=0, le=1e6, description="Embed from here on, in place of the loudest stretch of a long upload."),
]
Encoding = Annotated[VectorEncoding, Query(description="How the vectors are written.")]

SEARCH_PROBLEMS = documented(
    s400="`empty_body`",
    s404="`unknown_catalog`",
    s408="`body_timeout`",
    s409="`other_encoder`: the vectors were made by another encoder than the catalogue's",
    s413="`body_too_large`",
    s422="`bad_vectors`, `silent`, `invalid_parameter`",
    s429="`too_many_requests`, with Retry-After",
    s503="`not_ready`, `deadline_exceeded`, `vector_store`, `metadata_store`, with Retry-After",
)


class VectorService(Protocol):
    """What the routes call."""

    bounds: BoundsConfig
    catalog_name: str
    vectors: VectorDesk


def add_vectors(
    app: FastAPI, service: VectorService, meter: Meter, clip_body: dict[str, Any], problems: dict[int | str, Any]
) -> None:
    """Both routes; `clip_body` and `problems` document those of a clip."""
    _add_embed(app, service, clip_body, problems)
    _add_search(app, service, meter)


def _add_embed(app: FastAPI, service: VectorService, clip_body: dict[str, Any], problems: dict[int | str, Any]) -> None:
    @app.post(
        "/v1/embed",
        tags=["queries"],
        summary="The embeddings of this clip, to keep and search for later",
        openapi_extra={"requestBody": clip_body},
        responses=problems | documented(s404="`unknown_catalog`"),
    )
    async def embed(
        request: Request, start_s: StartS = None, encoding: Encoding = "base64", catalog: CatalogName = None
    ) -> Embedded:
        clip = await read_clip(request, service.bounds)
        check_catalog(catalog, service.catalog_name)
        return await service.vectors.embed(clip, start_s, encoding)


def _add_search(app: FastAPI, service: VectorService, meter: Meter) -> None:
    @app.post(
        "/v1/search",
        tags=["queries"],
        summary="Which recording are these embeddings of?",
        description="Takes what `/v1/embed` answers, of the encoder that `/v1/info` names, up to the length of a clip. "
        "An unsure clip is read again at other pitches by `/v1/identify`; vectors cannot be.",
        openapi_extra={"requestBody": search_body()},
        responses=SEARCH_PROBLEMS,
    )
    async def search(
        request: Request,
        response: Response,
        limit: Limit = 5,
        min_confidence: MinConfidence = None,
        catalog: CatalogName = None,
    ) -> Identification:
        body = await read_whole(request, service.bounds)
        check_catalog(catalog, service.catalog_name)
        answer = await service.vectors.search(body, limit, min_confidence)
        meter.stages(answer.timings_ms, bool(answer.matches), answer.degraded)
        flag(response, answer.degraded)
        return answer


def search_body() -> dict[str, Any]:
    """The body as OpenAPI has it; what is inside it is a component already, being part of an answer."""
    schema = VectorQuery.model_json_schema(ref_template=COMPONENTS)
    schema.pop("$defs", None)
    (example,) = schema.pop("examples")
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
