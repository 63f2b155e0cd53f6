"""What comes before a body, bounded in bytes and in time: neither uvicorn nor Ray's proxy does that.

uvicorn's parser keeps whatever comes of a head. A single line of 300 MB held 330 MiB, and as each piece of it is
appended to those before, the proxy did nothing else for 100 s; a head of a byte a minute was waited for for ever.

Light, as the proxy imports it.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MOST_BYTES = 64 << 10  # of request line and headers, and of what else is no body
HEADER_BYTES = 32  # that a header counts for beside its name and value, as in RFC 9113, 6.5.2: thousands of empty ones
LIMIT_S = 10.0  # for a head, from its first byte, or from the beginning of the connection
PATH = f"{__name__}:BoundedHeads"

MALFORMED = (HTTPStatus.BAD_REQUEST, "bad_request", "this is no HTTP request")
TOO_LARGE = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head_too_large",
    f"request line and headers may hold at most {MOST_BYTES >> 10} KiB",
)
TOO_SLOW = (HTTPStatus.REQUEST_TIMEOUT, "head_timeout", f"the headers did not arrive within {LIMIT_S:g} s")


def bound() -> None:
    """Let every server that this process starts from here on take bounded heads."""
    HTTP_PROTOCOLS["auto"] = PATH


class HeadTooLarge(Exception):
    """Thrown through the parser, which gives up the connection."""


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's connection, given up where a head is too large or too late, or where what nobody reads does not end.

    While a request is being answered, its body is for the application to bound.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unfinished = 0  # bytes since a head, a piece of a body or a message was whole
        self._size = 0  # of the head so far
        self._begun = False  # a head, and not ended
        self._refusal = MALFORMED
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MOST_BYTES and not self.transport.is_closing():
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        self._begun, self._size = True, 0
        self._expect()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(HEADER_BYTES + len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._begun, self._unfinished = False, 0
        self._came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0
        self._came()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body:  # which nobody will read any more
            self._expect()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does not understand, or we did not let it."""
        status, code, detail = self._refusal
        body = {"type": f"urn:refrain:problem:{code}", "title": status.phrase, "status": status, "code": code}
        content = json.dumps(body | {"detail": detail, "request_id": None}).encode()
        head = f"content-type: application/problem+json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + content)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES:
            self._refusal = TOO_LARGE
            raise HeadTooLarge

    def _refuse(self, refusal: tuple[HTTPStatus, str, str]) -> None:
        self._refusal = refusal
        self.send_400_response("")

    def _expect(self) -> None:
        """A head from now on, or the end of a body."""
        self._came()
        self._late = self.loop.call_later(LIMIT_S, self._on_late)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _on_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect()  # once that is answered
        elif self._begun:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()
