"""What the two clients have in common: the requests, when they are repeated, and what becomes of an answer.

Nothing here waits for anything; `serve.client` and `serve.async_client` do.
"""

import json
import os
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypedDict, TypeVar, Unpack, cast

import httpx

from serve.answers import Duplicates, Embedded, Identification, Info, Segment, TrackAnswer, TrackPage, Vectors

KEY_VARIABLE = "REFRAIN_API_KEY"
RETRIES = 3
TIMEOUT_S = 60.0
CONNECT_S = 10.0
QUIET_S = 1800.0  # that a long recording may take between two of its segments
NDJSON = "application/x-ndjson"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0  # between attempts, where the service does not say how long
PATIENCE_S = 60.0  # a service that asks for more is not asked again
REPEATED = (429, 502, 503, 504)
PASSING = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)  # another attempt may do better

Outcome = httpx.Response | httpx.HTTPError | httpx.InvalidURL
A = TypeVar("A")
Audio = bytes | str | Path
Progress = Callable[[int, int], None]  # how many are done, of how many


class NotBegun(Exception):
    """A timeline of which nothing was told; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class ClientError(Exception):
    """No answer. `code` is that of the service's problem, `missing` for a file, `bad_key`, or `unreachable`."""

    def __init__(self, message: str, code: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Heard:
    """How far a timeline is: seconds of it, and what share of the whole that is."""

    heard_s: float
    share: float


@dataclass(frozen=True)
class Call(Generic[A]):
    """One request, answered by an A; every one of them may be repeated without harm."""

    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    media_type: str = "application/octet-stream"

    def options(self) -> dict[str, Any]:
        """For httpx."""
        typed = {"content-type": self.media_type} if self.content is not None else {}
        return {"params": self.params, "content": self.content, "headers": typed}


class Wishes(TypedDict, total=False):
    """What may be said beside a clip, as `/v1/identify` has it; None is not said."""

    limit: int | None
    min_confidence: float | None
    start_s: float | None
    catalog: str | None
    evidence: bool | None


def identify(data: bytes, **wishes: Unpack[Wishes]) -> Call[Identification]:
    return Call("POST", "/v1/identify", _said(**wishes), data)


def embed(data: bytes, start_s: float | None, encoding: str, catalog: str | None) -> Call[Embedded]:
    return Call("POST", "/v1/embed", _said(encoding=encoding, start_s=start_s, catalog=catalog), data)


def search(
    vectors: Vectors, limit: int | None, min_confidence: float | None, catalog: str | None
) -> Call[Identification]:
    said = _said(limit=limit, min_confidence=min_confidence, catalog=catalog)
    known = {name: value for name, value in vectors.items() if name in Vectors.__annotations__}
    return Call("POST", "/v1/search", said, json.dumps(known).encode(), "application/json")


def _said(**wishes: Any) -> dict[str, Any]:
    return {name: value for name, value in wishes.items() if value is not None}


def tracks(q: str, limit: int, after: int) -> Call[TrackPage]:
    return Call("GET", "/v1/tracks", {"q": q, "limit": limit, "after": after})


def track(track_id: int) -> Call[TrackAnswer]:
    return Call("GET", f"/v1/tracks/{track_id}")


def duplicates(track_id: int) -> Call[Duplicates]:
    return Call("GET", f"/v1/tracks/{track_id}/duplicates")


def delete_track(track_id: int) -> Call[None]:
    return Call("DELETE", f"/v1/tracks/{track_id}")


def info() -> Call[Info]:
    return Call("GET", "/v1/info")


def connection(url: str, timeout_s: float, api_key: str | None) -> dict[str, Any]:
    """How to make a client of httpx. Raises ClientError."""
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ClientError(f"{url!r} is no URL: {error}", "unreachable") from error
    timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
    return {"base_url": url, "timeout": timeout, "headers": key_headers(api_key)}


def key_headers(api_key: str | None) -> dict[str, str]:
    """The key, given or from the environment. Raises ClientError, without showing it, for one no header holds."""
    key = (api_key or os.environ.get(KEY_VARIABLE, "")).strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ClientError("the API key holds a space or a letter that no key has", "bad_key")
    return {"authorization": f"Bearer {key}"}


def read_audio(audio: Audio) -> bytes:
    """A clip's bytes, or those of the file of that name. Raises ClientError."""
    if isinstance(audio, bytes):
        return audio
    try:
        return Path(audio).read_bytes()
    except OSError as error:
        raise ClientError(f"cannot be read: {error.strerror}", "missing") from error


def open_audio(audio: Audio) -> AbstractContextManager[bytes | BinaryIO]:
    """The bytes, or the file, which is sent as it is read. Raises ClientError."""
    if isinstance(audio, bytes):
        return nullcontext(audio)
    try:
        return Path(audio).open("rb")
    except OSError as error:
        raise ClientError(f"cannot be read: {error.strerror}", "missing") from error


def timeline(min_confidence: float | None, catalog: str | None, progress: bool) -> dict[str, Any]:
    """How to ask httpx for the segments of a long recording, beside its content."""
    return {
        "method": "POST",
        "url": "/v1/timeline",
        "params": _said(min_confidence=min_confidence, catalog=catalog, progress="true" if progress else None),
        "headers": {"content-type": "application/octet-stream", "accept": NDJSON},
        "timeout": httpx.Timeout(QUIET_S, connect=CONNECT_S),
    }


def again_s(refusal: NotBegun, content: bytes | BinaryIO, attempt: int, retries: int, base_url: httpx.URL) -> float:
    """Seconds until a timeline is worth another attempt, its content at the beginning again. Raises ClientError."""
    pause_s = wait_s(refusal.outcome, attempt, retries)
    if pause_s is None or not (isinstance(content, bytes) or content.seekable()):
        result_of(info(), refusal.outcome, base_url)  # raises what the service says
        raise unreachable(base_url, refusal)
    if not isinstance(content, bytes):
        content.seek(0)
    return pause_s


def part_of(line: str) -> Segment | Heard | None:
    """A line of a timeline; None: the last. Raises ClientError with the problem that ended it."""
    told = json.loads(line)
    if "code" in told:
        raise ClientError(str(told.get("detail")), str(told["code"]), told.get("status"))
    if "heard_s" in told:
        return Heard(told["heard_s"], told["share"])
    return cast(Segment, told) if "track_id" in told else None


def broken_off() -> ClientError:
    """Of a timeline without its last line."""
    return ClientError("the answer broke off", "unreachable")


def wait_s(outcome: Outcome, attempt: int, retries: int) -> float | None:
    """Seconds until the same request is worth another attempt; None: it is not, or there were `retries` already.

    What the service asks for with Retry-After is kept, and something is added by chance, more with every attempt, so
    that callers who were refused together do not come back together.
    """
    if attempt >= retries:
        return None
    chance_s = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt))
    if not isinstance(outcome, httpx.Response):
        return chance_s if isinstance(outcome, PASSING) else None
    if outcome.is_success:
        return None
    asked_s = retry_after_s(outcome)
    if asked_s is None:
        return chance_s if outcome.status_code in REPEATED else None
    return asked_s + chance_s if asked_s <= PATIENCE_S else None


def retry_after_s(response: httpx.Response) -> float | None:
    """What Retry-After says, in seconds or as a date; None without it."""
    asked = response.headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def unreachable(base_url: httpx.URL, error: Exception) -> ClientError:
    return ClientError(f"{base_url}: {error or type(error).__name__}", "unreachable")


def result_of(call: Call[A], outcome: Outcome, base_url: httpx.URL) -> A:
    """The answer of a success. Raises ClientError with what the service says otherwise."""
    if not isinstance(outcome, httpx.Response):
        raise unreachable(base_url, outcome) from outcome
    if outcome.status_code == httpx.codes.NO_CONTENT:
        return cast(A, None)
    try:
        body = outcome.json()
    except ValueError:
        body = None
    if outcome.is_success and isinstance(body, dict):
        return cast(A, body)
    problem = body if isinstance(body, dict) else {}
    message = problem.get("detail") or f"HTTP {outcome.status_code} {outcome.reason_phrase}"
    raise ClientError(str(message), str(problem.get("code", "http_error")), outcome.status_code)
