"""The caller's side: `Client` for programs, `python -m serve.client [--timeline] URL FILE…` for the shell.

The command prints one JSON line for every file, in order: the answer of the service with `file` in front, or
`{"file", "error", "code"}` when there is none; then it ends with 1. With `--timeline` the files are long recordings,
and it prints one line for every segment of each.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import httpx

USAGE = "usage: python -m serve.client [--timeline] URL FILE…"
TIMELINE = "--timeline"
NDJSON = "application/x-ndjson"
RETRIES = 3  # of answers that ask for it with Retry-After
MAX_WAIT_S = 10.0
TIMEOUT_S = 60.0
QUIET_S = 1800.0  # that a long recording may take between two of its segments


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

    def timeline(self, audio: bytes | str | Path, *, min_confidence: float | None = None) -> Iterator[dict[str, Any]]:
        """The segments of a long recording, given as its bytes or as the path of a file, each as soon as it is over."""
        parameters = {} if min_confidence is None else {"min_confidence": min_confidence}
        headers = {"content-type": "application/octet-stream", "accept": NDJSON}
        timeout = httpx.Timeout(self._http.timeout.connect, read=QUIET_S, write=QUIET_S)
        with _opened(audio) as content:
            try:
                with self._http.stream(
                    "POST", "/v1/timeline", content=content, params=parameters, headers=headers, timeout=timeout
                ) as response:
                    if not response.is_success:
                        response.read()
                        answer_of(response)
                    yield from _segments(response)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise ClientError(f"{self._http.base_url}: {error or type(error).__name__}", "unreachable") from error

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


def _segments(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The lines of a timeline up to the last, which must be there. Raises ClientError."""
    for line in response.iter_lines():
        told = json.loads(line)
        if "track_id" in told:
            yield told
        elif "code" in told:
            raise ClientError(str(told.get("detail")), str(told["code"]), told.get("status"))
        else:
            return
    raise ClientError("the answer broke off", "unreachable")


def _opened(audio: bytes | str | Path) -> AbstractContextManager[bytes | BinaryIO]:
    """The bytes, or the file, which is sent as it is read. Raises ClientError."""
    if isinstance(audio, bytes):
        return nullcontext(audio)
    try:
        return Path(audio).open("rb")
    except OSError as error:
        raise ClientError(f"cannot be read: {error.strerror}", "missing") from error


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
    timeline = bool(arguments) and arguments[0] == TIMELINE
    rest = list(arguments[1:] if timeline else arguments)
    if len(rest) < 2 or rest[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    url, *files = rest
    try:
        client = Client(url if "://" in url else f"http://{url}")
    except ClientError as error:
        print(f"refrain: {error}", file=sys.stderr)
        return 2
    failed = False
    with client:
        for file in files:
            try:
                for answer in client.timeline(file) if timeline else [client.identify(file)]:
                    print(json.dumps({"file": file, **answer}), flush=True)
            except ClientError as error:
                print(json.dumps({"file": file, "error": str(error), "code": error.code}), flush=True)
                failed = True
    return int(failed)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
