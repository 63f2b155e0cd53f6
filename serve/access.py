"""Who may ask for what: keys, their scopes and their rates, checked before anything else is done."""

import hmac
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conf.events import events
from ingest.stores import ConfigurationError
from serve.config import BoundsConfig, KeyConfig, Permission, ServeConfig
from serve.keys import check_keys, hash_of, read_keys
from serve.problems import Forbidden, RateLimited, ServiceError, Unauthorized, documented, refusal
from serve.rates import Allowance, TokenBucket
from serve.uploads import drain

log = events(__name__)

OPEN = ("/", "/docs", "/openapi.json", "/healthz", "/readyz")
OPEN_BELOW = "/web/"
FIGURES = "/metrics"
READS = ("GET", "HEAD", "OPTIONS", "POST")  # POST asks a question here
CHALLENGE = 'Bearer realm="refrain"'
SUBPROTOCOL = "refrain"  # what a WebSocket speaks, if its caller offers it …
KEY_SUBPROTOCOL = "refrain.key."  # … beside its key: a browser can give a WebSocket no header
LOOK_S = 1.0  # between two looks at the file
REFUSED_BODY_S = 5.0  # to read the rest of a body that nobody wants
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token that `python -m serve.keys` showed."},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def permission_of(method: str, path: str) -> Permission | None:
    """What a request needs; None: nothing. Whatever is not known to be open is not.

    >>> [permission_of("GET", "/healthz"), permission_of("DELETE", "/v1/tracks/1"), permission_of("GET", "/metrics")]
    [None, 'write', 'admin']
    """
    if path in OPEN or path.startswith(OPEN_BELOW):
        return None
    if path == FIGURES:
        return "admin"
    return "read" if method in READS else "write"


@dataclass(frozen=True)
class Key:
    """A key with what it has left; the bucket is this replica's own."""

    config: KeyConfig
    bucket: TokenBucket | None


class KeyRing:
    """The keys of the configuration and of a file, which is read again when it changes.

    What cannot be read later is told in the log once, and the keys stay as they were.
    """

    def __init__(
        self, keys: Sequence[KeyConfig], file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ConfigurationError when the file cannot be used, or no key is anywhere."""
        self._configured = keys
        self._file = file
        self._clock = clock
        self._looked_at = clock()
        self._version = self._stamp()
        self._keys: list[Key] = []
        self._hold(self._read())
        if not self._keys:
            raise ConfigurationError(f"keys_file={file} holds no key: python -m serve.keys makes one")

    def find(self, token: str) -> Key | None:
        """The key of a token; takes as long whichever it is."""
        self._follow()
        presented, found = hash_of(token), None
        for key in self._keys:
            if hmac.compare_digest(key.config.hash, presented):
                found = key
        return found

    def _follow(self) -> None:
        if self._file is None or self._clock() - self._looked_at < LOOK_S:
            return
        self._looked_at = self._clock()
        version = self._stamp()
        if version == self._version:
            return
        self._version = version
        try:
            self._hold(self._read())
        except ConfigurationError as error:
            log.warning("keys stay as they were", error=str(error))
        else:
            log.info("keys read again", file=str(self._file), keys=len(self._keys))

    def _read(self) -> list[KeyConfig]:
        keys = [*self._configured, *(read_keys(self._file) if self._file else ())]
        check_keys(keys, "keys and keys_file")
        return keys

    def _hold(self, keys: Sequence[KeyConfig]) -> None:
        before = {key.config.hash: key for key in self._keys}
        self._keys = [
            known if (known := before.get(config.hash)) and known.config == config else Key(config, bucket_of(config))
            for config in keys
        ]

    def _stamp(self) -> tuple[int, ...] | None:
        with suppress(OSError):
            if self._file:
                status = self._file.stat()  # of a mounted secret, the file behind the link
                return status.st_mtime_ns, status.st_ino, status.st_size
        return None


def bucket_of(key: KeyConfig) -> TokenBucket | None:
    if key.per_minute is None:
        return None
    return TokenBucket(key.per_minute, key.burst or max(1, int(key.per_minute)))


def open_ring(config: ServeConfig) -> KeyRing | None:
    """The keys of a service; None: it needs none. Raises ConfigurationError."""
    file = Path(config.keys_file) if config.keys_file else None
    return KeyRing(config.keys, file) if config.keys or file else None


class Guard:
    """Lets a request through to the application if its key may do that now; whatever the application offers later."""

    def __init__(self, app: ASGIApp, ring: KeyRing, bounds: BoundsConfig) -> None:
        self._app = app
        self._ring = ring
        self._bounds = bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            allowance = self._admit(scope)
        except ServiceError as error:
            await self._refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, with_headers(send, allowance.headers()) if allowance else send)

    def _admit(self, scope: Scope) -> Allowance | None:
        """What the key has left; None without a rate. Raises Unauthorized, Forbidden, RateLimited."""
        needed = permission_of(scope.get("method", "GET"), path_of(scope))
        if needed is None:
            return None
        key = self._key_of(Headers(scope=scope))
        scope.setdefault("state", {})["key"] = key.config.name
        if needed not in key.config.scopes:
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{needed}"'
            raise Forbidden(f"the key {key.config.name} lacks the scope {needed}", {"WWW-Authenticate": challenge})
        allowance = key.bucket.take() if key.bucket else None
        if allowance and not allowance.granted:
            headers = {**allowance.headers(), "Retry-After": str(allowance.wait_s)}
            raise RateLimited(f"the key {key.config.name} may ask {allowance.per_minute:g} times a minute", headers)
        return allowance

    def _key_of(self, headers: Headers) -> Key:
        token = token_of(headers)
        if token is None:
            how = "send a key as `Authorization: Bearer …` or `X-API-Key: …`"
            raise Unauthorized(how, {"WWW-Authenticate": CHALLENGE})
        key = self._ring.find(token)
        if key is None:
            challenge = f'{CHALLENGE}, error="invalid_token"'
            raise Unauthorized("this key is not known here", {"WWW-Authenticate": challenge})
        return key

    async def _refuse(self, error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
        response = refusal(HTTPConnection(scope), error)
        if scope["type"] == "http":
            await drain(receive, self._bounds.body_bytes, REFUSED_BODY_S)
            await response(scope, receive, send)
        elif "websocket.http.response" in scope.get("extensions", {}):
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": error.code})


def token_of(headers: Headers) -> str | None:
    """The token that was sent, if any."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key", "").strip() or _offered_token(headers)


def _offered_token(headers: Headers) -> str | None:
    offered = (one.strip() for one in headers.get("sec-websocket-protocol", "").split(","))
    return next((one.removeprefix(KEY_SUBPROTOCOL) for one in offered if one.startswith(KEY_SUBPROTOCOL)), None)


def path_of(scope: Scope) -> str:
    """The path as the routes see it: below the prefix that the application is mounted at."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def with_headers(send: Send, headers: dict[str, str]) -> Send:
    """A `send` that puts these headers on the response."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return answer


def protected(app: FastAPI, bounds: BoundsConfig, ring: KeyRing | None, origins: Sequence[str]) -> ASGIApp:
    """The application behind its keys, if it has any, and open to pages of these origins."""
    guarded: ASGIApp = app
    if ring:
        describe_keys(app)
        guarded = Guard(app, ring, bounds)
    if not origins:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "X-API-Key", "Content-Type", "X-Request-ID"],
        expose_headers=["RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
    )


def describe_keys(app: FastAPI) -> None:
    """Say in /openapi.json which routes want a key, and with which scope."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        spec = plain()
        spec["components"]["securitySchemes"] = SCHEMES
        for path, operations in spec["paths"].items():
            for method, operation in operations.items():
                needed = permission_of(method.upper(), path)
                if needed:
                    operation["security"] = [{scheme: []} for scheme in SCHEMES]
                    operation["responses"] |= refusals(needed)
        return spec

    app.openapi = described  # type: ignore[method-assign]


def refusals(needed: Permission) -> dict[str, Any]:
    """What a route that wants a key may answer besides; a 429 of its own is kept and told with it."""
    told = documented(s401="`unauthorized`", s403=f"`forbidden`: the key lacks the scope `{needed}`")
    told |= documented(s429="`rate_limited`, or `too_many_requests` of a full service, with Retry-After")
    return {
        str(status): {"description": response["description"], "content": response["content"]}
        for status, response in told.items()
    }
