"""The caller's side: `Client` for programs, `python -m serve.client URL FILE…` for the shell.

The command prints one JSON line for every file, in order: the answer of the service with `file` in front, or
`{"file", "error", "code"}` when there is none; then it ends with 1.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx

USAGE = "usage: python -m serve.client URL FILE…"
RETRIES = 3  # of answers that ask for it with Retry-After
MAX_WAIT_S = 10.0
TIMEOUT_S = 60.0


class ClientError(Exception):
    """No answer. `code` is that of the service's problem, `missing` for a file, or `unreachable`."""

    def __init__(self, message: str, code: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Client:
    """A service at a base URL; a context manager that keeps its connection. Every error is a ClientError."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> None:
        try:
            self._http = httpx.Client(base_url=url, timeout=timeout_s)
        except httpx.InvalidURL as error:
            raise ClientError(f"{url!r} is no URL: {error}", "unreachable") from error
        self._retries = retries

    def identify(
        self, audio: bytes | str | Path, *, limit: int | None = None, min_confidence: float | None = None
    ) -> dict[str, Any]:
        """The answer to a clip, given as its bytes or as the path of a file."""
        data = audio if isinstance(audio, bytes) else read_file(Path(audio))
        wishes = {"limit": limit, "min_confidence": min_confidence}
        parameters = {name: value for name, value in wishes.items() if value is not None}
        headers = {"content-type": "application/octet-stream"}
        return self._ask("POST", "/v1/identify", content=data, params=parameters, headers=headers)

    def track(self, track_id: int) -> dict[str, Any]:
        return self._ask("GET", f"/v1/tracks/{track_id}")

    def info(self) -> dict[str, Any]:
        return self._ask("GET", "/v1/info")

    def ready(self) -> bool:
        """Whether the service would answer a query now; False also when nobody listens."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        for attempt in range(self._retries + 1):
            try:
                response = self._http.request(method, path, **options)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise ClientError(f"{self._http.base_url}: {error or type(error).__name__}", "unreachable") from error
            wait_s = retry_after_s(response)
            if response.is_success or wait_s is None or attempt == self._retries:
                return answer_of(response)
            time.sleep(wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_file(path: Path) -> bytes:
    """Raises ClientError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"cannot be read: {error.strerror}", "missing") from error


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait before the same request again; None if it should not be repeated."""
    asked = response.headers.get("retry-after", "")
    return min(float(asked), MAX_WAIT_S) if asked.isdecimal() else None


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON of a success. Raises ClientError with what the service says otherwise."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and isinstance(body, dict):
        return cast(dict[str, Any], body)
    problem = body if isinstance(body, dict) else {}
    message = problem.get("detail") or f"HTTP {response.status_code} {response.reason_phrase}"
    raise ClientError(str(message), str(problem.get("code", "http_error")), response.status_code)


def main(arguments: Sequence[str]) -> int:
    """0 when every file was answered, 1 when one was not, 2 for a wrong command line."""
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    url, *files = arguments
    failed = False
    try:
        client = Client(url if "://" in url else f"http://{url}")
    except ClientError as error:
        print(f"refrain: {error}", file=sys.stderr)
        return 2
    with client:
        for file in files:
            try:
                line = {"file": file, **client.identify(file)}
            except ClientError as error:
                line = {"file": file, "error": str(error), "code": error.code}
                failed = True
            print(json.dumps(line), flush=True)
    return int(failed)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
