"""Errors over the wire: application/problem+json (RFC 9457) with a stable `code`.

    RefrainError                 (ingest.errors)
    └── ServiceError             of the service alone: carries its own status
        ├── EmptyBody          400   empty_body
        ├── MalformedUpload    400   malformed_upload      a form or JSON that cannot be parsed, or without the audio
        ├── Unauthorized       401   unauthorized          WWW-Authenticate: no key, or none that is known
        ├── Forbidden          403   forbidden             WWW-Authenticate: the key may not do that
        ├── ForeignOrigin      403   foreign_origin        a page that cors_origins does not list opens a WebSocket
        ├── UnknownTrack       404   unknown_track
        ├── UnknownCatalog     404   unknown_catalog       another one is served here
        ├── BodyTimeout        408   body_timeout          the body did not arrive in time
        ├── OtherEncoder       409   other_encoder         vectors of another encoder than the catalogue's
        ├── BodyTooLarge       413   body_too_large
        ├── BadVectors         422   bad_vectors           no unit vectors of the encoder's dimension, or too many
        ├── DecodeTimeout      422   decode_timeout        these bytes keep the decoder busy for too long
        ├── DecodeFailed       422   decode_failed         these bytes crash it, or want more memory than it may have
        ├── TooManyRequests    429   too_many_requests     Retry-After: the service is full
        ├── RateLimited        429   rate_limited          Retry-After, RateLimit: this key has asked enough
        ├── NotReady           503   not_ready             Retry-After: no generation could be loaded yet
        ├── Overloaded         503   overloaded            Retry-After: a queue is full, or no replica is there
        ├── EncoderAway        503   encoder               Retry-After: no replica of the encoder answers
        ├── DecoderAway        503   decoder               Retry-After: no decode process can be started
        ├── Draining           503   draining              Retry-After: the replica is about to end
        └── DeadlineExceeded   503   deadline_exceeded     Retry-After

What Ray Serve's proxy answers by itself is `overloaded`, or `replica_lost` (503, Retry-After) where whoever was
answering is gone: `serve.proxy_edge`. Before a request is whole it may be 400 `bad_request`, 408 `head_timeout` or 431
`head_too_large`: `serve.heads`.

Audio that cannot be used is 422 with the code of its BadInput, a store that does not answer 503 with the code of
its InfrastructureError.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ingest.fingerprint import BadInput, RefrainError
from ingest.stores import CatalogLocked, InfrastructureError
from serve.proxy_edge import MEDIA_TYPE, RETRY_AFTER_S
from serve.schema import Problem


class ServiceError(RefrainError):
    """An answer that is a problem; `retry` promises that the same request may succeed soon."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    retry: ClassVar[bool] = False

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = {**_retry_header(self.retry), **(headers or {})}


class EmptyBody(ServiceError):
    code, status = "empty_body", HTTPStatus.BAD_REQUEST


class MalformedUpload(ServiceError):
    code, status = "malformed_upload", HTTPStatus.BAD_REQUEST


class BodyTimeout(ServiceError):
    code, status = "body_timeout", HTTPStatus.REQUEST_TIMEOUT


class BodyTooLarge(ServiceError):
    code, status = "body_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class OtherEncoder(ServiceError):
    code, status = "other_encoder", HTTPStatus.CONFLICT


class BadVectors(ServiceError):
    code, status = "bad_vectors", HTTPStatus.UNPROCESSABLE_ENTITY


class DecodeTimeout(ServiceError):
    code, status = "decode_timeout", HTTPStatus.UNPROCESSABLE_ENTITY


class DecodeFailed(ServiceError):
    code, status = "decode_failed", HTTPStatus.UNPROCESSABLE_ENTITY


class TooManyRequests(ServiceError):
    code, status, retry = "too_many_requests", HTTPStatus.TOO_MANY_REQUESTS, True


class Unauthorized(ServiceError):
    code, status = "unauthorized", HTTPStatus.UNAUTHORIZED


class Forbidden(ServiceError):
    code, status = "forbidden", HTTPStatus.FORBIDDEN


class ForeignOrigin(ServiceError):
    code, status = "foreign_origin", HTTPStatus.FORBIDDEN


class RateLimited(ServiceError):
    code, status, retry = "rate_limited", HTTPStatus.TOO_MANY_REQUESTS, True


class UnknownTrack(ServiceError):
    code, status = "unknown_track", HTTPStatus.NOT_FOUND


class UnknownCatalog(ServiceError):
    code, status = "unknown_catalog", HTTPStatus.NOT_FOUND


class NotReady(ServiceError):
    code, status, retry = "not_ready", HTTPStatus.SERVICE_UNAVAILABLE, True


class Overloaded(ServiceError):
    code, status, retry = "overloaded", HTTPStatus.SERVICE_UNAVAILABLE, True


class EncoderAway(ServiceError):
    code, status, retry = "encoder", HTTPStatus.SERVICE_UNAVAILABLE, True


class Draining(ServiceError):
    code, status, retry = "draining", HTTPStatus.SERVICE_UNAVAILABLE, True


class DecoderAway(ServiceError):
    code, status, retry = "decoder", HTTPStatus.SERVICE_UNAVAILABLE, True


class DeadlineExceeded(ServiceError):
    code, status, retry = "deadline_exceeded", HTTPStatus.SERVICE_UNAVAILABLE, True


STATUS_OF_DOMAIN_ERROR: tuple[tuple[type[RefrainError], HTTPStatus, bool], ...] = (
    (BadInput, HTTPStatus.UNPROCESSABLE_ENTITY, False),
    (CatalogLocked, HTTPStatus.CONFLICT, True),
    (InfrastructureError, HTTPStatus.SERVICE_UNAVAILABLE, True),
)
"""What the errors of audio and stores become, and whether the request may be repeated."""


def documented(**reasons: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: status → the problems it may be. `s422="silent"` documents status 422."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        int(status[1:]): {"description": reason, "model": Problem, "content": content}
        for status, reason in reasons.items()
    }


def problem(
    request: HTTPConnection, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """One problem as a response; the request's id goes into the body as well."""
    body = problem_body(request, status, code, detail)
    return JSONResponse(body.model_dump(), status, dict(headers or {}), MEDIA_TYPE)


def problem_body(request: HTTPConnection, status: int, code: str, detail: str) -> Problem:
    request.state.problem_code = code
    return Problem(
        type=f"urn:refrain:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=getattr(request.state, "request_id", None),
    )


def problem_of(request: HTTPConnection, error: RefrainError) -> Problem:
    """What an error is called where the response has begun already."""
    if isinstance(error, ServiceError):
        return problem_body(request, error.status, error.code, str(error))
    known = (status for kind, status, _ in STATUS_OF_DOMAIN_ERROR if isinstance(error, kind))
    return problem_body(request, next(known, HTTPStatus.INTERNAL_SERVER_ERROR), error.code, str(error))


def refusal(request: HTTPConnection, error: ServiceError) -> JSONResponse:
    """A ServiceError as a response."""
    return problem(request, error.status, error.code, str(error), error.headers)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(ServiceError, _on_service_error)
    for kind, status, retry in STATUS_OF_DOMAIN_ERROR:
        app.add_exception_handler(kind, _domain_handler(status, retry))
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_bug)


def _retry_header(retry: bool) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_S)} if retry else {}


def _domain_handler(status: HTTPStatus, retry: bool) -> Callable[[Request, Any], JSONResponse]:
    def handle(request: Request, error: Any) -> JSONResponse:
        return problem(request, status, error.code, str(error), _retry_header(retry))

    return handle


def _on_service_error(request: Request, error: Any) -> JSONResponse:
    return refusal(request, error)


def _on_http_exception(request: Request, error: Any) -> JSONResponse:
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem(request, error.status_code, code, detail, error.headers)


def _on_invalid(request: Request, error: Any) -> JSONResponse:
    found = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_parameter", found)


def _on_bug(request: Request, error: Any) -> JSONResponse:
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "an unexpected error; it is in the log")
