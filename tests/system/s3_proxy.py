"""An S3 endpoint that can be told to fail: it stands in front of another one and passes everything on."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Failure = Literal["none", "error", "slow_down", "truncate", "hang"]
HELD_BACK = {"transfer-encoding", "connection", "content-length"}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FlakyS3:
    """`failing` says what becomes of the next requests for objects; `failed` counts them."""

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind).netloc
        self.failing: Failure = "none"
        self.left = 0
        self.failed = 0
        self.guard = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def handle_any(self) -> None:
                proxy.answer(self)

        for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.handle_any)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def fail(self, how: Failure, requests: int) -> None:
        """Let so many requests for objects fail, and all others pass."""
        with self.guard:
            self.failing, self.left = how, requests

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        how = self._failure(request)
        if how in ("error", "slow_down"):
            self._send(request, 500 if how == "error" else 503, {}, SLOW_DOWN if how == "slow_down" else b"")
            return
        if how == "hang":
            threading.Event().wait(60)
            request.close_connection = True
            return
        connection = http.client.HTTPConnection(self.behind, timeout=60)
        connection.request(request.command, request.path, body, dict(request.headers))
        found = connection.getresponse()
        content = found.read()
        headers = {name: value for name, value in found.getheaders() if name.lower() not in HELD_BACK}
        if request.command == "HEAD":
            headers["Content-Length"] = found.getheader("Content-Length") or "0"
        self._send(request, found.status, headers, content, cut=how == "truncate")
        connection.close()

    def _failure(self, request: BaseHTTPRequestHandler) -> Failure:
        is_object = request.command == "GET" and "list-type" not in request.path and request.path.count("/") > 1
        with self.guard:
            if not is_object or self.failing == "none" or not self.left:
                return "none"
            self.left -= 1
            self.failed += 1
            return self.failing

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if "Content-Length" not in headers:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body[: len(body) // 2] if cut else body)
        request.close_connection = cut


@contextmanager
def flaky_s3(behind: str) -> Iterator[FlakyS3]:
    """The proxy in front of an endpoint, running."""
    proxy = FlakyS3(behind)
    threading.Thread(target=proxy.server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
