"""WebSocket: samples in, what is known so far out.

close codes   1000 heard to the end (`bounds.listen_s`)    1003 text in place of samples
              1007 no whole number of samples              1008 nothing came for `bounds.listen_idle_s`
              1009 a message beyond its bound              1011 a store or the encoder is away
              1012 the replica is about to end: call again
              1013 too many at once: try again later
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Protocol

import numpy as np
from fastapi import FastAPI, Query, WebSocket, WebSocketDisconnect

from ingest.fingerprint import SAMPLE_RATE, RefrainError
from serve.access import SUBPROTOCOL
from serve.config import BoundsConfig
from serve.draining import Drain
from serve.listening import Listener, Listeners, Wish
from serve.origins import check_origin
from serve.problems import Draining, ForeignOrigin, ServiceError, TooManyRequests, UnknownCatalog, problem_of, refusal
from serve.wishes import CatalogName, Limit, MinConfidence, check_catalog

KIB = 1 << 10
DONE, NO_SAMPLES, ODD, IDLE, TOO_LARGE, AWAY, ENDING, LATER = 1000, 1003, 1007, 1008, 1009, 1011, 1012, 1013
CLOSED_BY: dict[type[RefrainError], int] = {Draining: ENDING, TooManyRequests: LATER}


class ListenService(Protocol):
    """What the route calls."""

    bounds: BoundsConfig
    catalog_name: str
    listeners: Listeners


class Refused(Exception):
    """A message that is none of ours, or none at all; `code` closes the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def add_listen(app: FastAPI, service: ListenService, origins: Sequence[str]) -> None:
    """The route, for pages of these origins besides our own."""

    @app.websocket("/v1/listen")
    async def listen(
        socket: WebSocket,
        rate: Annotated[int, Query(ge=4_000, le=192_000)] = SAMPLE_RATE,
        evidence: bool = False,
        limit: Limit = 5,
        min_confidence: MinConfidence = None,
        catalog: CatalogName = None,
    ) -> None:
        try:
            check_origin(socket.headers, origins)
            check_catalog(catalog, service.catalog_name)
        except (ForeignOrigin, UnknownCatalog) as error:
            await _deny(socket, error)
            return
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
        with suppress(WebSocketDisconnect):
            try:
                async with service.listeners.admitted(rate, Wish(limit, min_confidence, evidence)) as listener:
                    await _serve(socket, listener, service.bounds, service.listeners.drain)
                await socket.close(DONE, "heard to the end")
            except Refused as refusal:
                await socket.close(refusal.code, str(refusal))
            except RefrainError as error:
                await socket.send_json(problem_of(socket, error).model_dump())
                await socket.close(CLOSED_BY.get(type(error), AWAY), error.code)


async def _deny(socket: WebSocket, error: ServiceError) -> None:
    """Before the handshake: a response where the server can send one, else a close, which is a plain 403."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(refusal(socket, error))
    else:
        await socket.close(IDLE, error.code)


async def _serve(socket: WebSocket, listener: Listener, bounds: BoundsConfig, drain: Drain) -> None:
    """Answer until as much was heard as may be. Raises Refused, WebSocketDisconnect and what looks raise."""
    while not listener.full:
        message = await drain.unless(_message(socket, bounds.listen_idle_s))
        heard = await listener.hear(_samples(message, bounds))
        if heard is not None:
            await socket.send_text(heard.model_dump_json())


async def _message(socket: WebSocket, idle_s: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(idle_s):
            message: dict[str, Any] = dict(await socket.receive())
    except TimeoutError:
        raise Refused(IDLE, f"nothing came for {idle_s:g} s") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", DONE))
    return message


def _samples(message: dict[str, Any], bounds: BoundsConfig) -> np.ndarray[Any, np.dtype[np.int16]]:
    """int16 [T]."""
    data = message.get("bytes")
    if data is None:
        raise Refused(NO_SAMPLES, "send binary messages of 16-bit little-endian samples")
    if len(data) > bounds.listen_message_kib * KIB:
        raise Refused(TOO_LARGE, f"a message may hold at most {bounds.listen_message_kib} KiB")
    if len(data) % 2:
        raise Refused(ODD, "half a sample")
    return np.frombuffer(data, "<i2").astype(np.int16)
