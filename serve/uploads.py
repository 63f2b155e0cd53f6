"""The body of a request, read within bounds: raw bytes, the part `file` of a multipart form, or `audio` of JSON."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from tempfile import SpooledTemporaryFile

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from serve.config import MIB, BoundsConfig
from serve.problems import BodyTimeout, BodyTooLarge, EmptyBody, MalformedUpload

MAX_FIELDS = 16
EMPTY = "there is nothing in the body; send the bytes of an audio file"
FORM, JSON = "multipart/form-data", "application/json"
DRAIN_BYTES = 64 * MIB  # of a body that is too large: a client that is still sending cannot read the answer


async def read_clip(request: Request, bounds: BoundsConfig) -> bytes:
    """The audio that was sent. Raises EmptyBody, MalformedUpload, BodyTooLarge or BodyTimeout."""
    async with _arriving(request, bounds.body_bytes, bounds.body_timeout_s) as bounded:
        if _type(request) == FORM:
            form = await _form(bounded)
            try:
                clip = await file_part(form).read()
            finally:
                await form.close()
        else:
            clip = await bounded.body()
            if _type(request) == JSON and clip.lstrip()[:1] == b"{":  # no audio begins so, and a type may be wrong
                clip = await asyncio.to_thread(_encoded_audio, clip)
    if not clip:
        raise EmptyBody(EMPTY)
    return clip


async def read_whole(request: Request, bounds: BoundsConfig) -> bytes:
    """The body as it is. Raises EmptyBody, BodyTooLarge or BodyTimeout."""
    async with _arriving(request, bounds.body_bytes, bounds.body_timeout_s) as bounded:
        body = await bounded.body()
    if not body:
        raise EmptyBody("there is nothing in the body")
    return body


async def spool(request: Request, limit: int, timeout_s: float) -> UploadFile:
    """The audio that was sent, up to `limit` bytes, in a temporary file beyond a first MiB; the caller closes it.

    Raises EmptyBody, MalformedUpload, BodyTooLarge or BodyTimeout.
    """
    async with AsyncExitStack() as kept, _arriving(request, limit, timeout_s) as bounded:
        if _type(request) == FORM:
            form = await _form(bounded)
            kept.push_async_callback(form.close)
            file = file_part(form)
        else:
            file = UploadFile(SpooledTemporaryFile(max_size=MIB), size=0)  # type: ignore[arg-type]  # noqa: SIM115
            kept.push_async_callback(file.close)
            async for chunk in bounded.stream():
                await file.write(chunk)
        if not file.size:
            raise EmptyBody(EMPTY)
        await file.seek(0)
        kept.pop_all()
        return file


async def drain(receive: Receive, limit: int, timeout_s: float) -> None:
    """Swallow a body that is not wanted: a client that is still sending cannot read the answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await swallow(receive, limit)


async def swallow(receive: Receive, limit: int) -> None:
    """Read a body to its end, or until so many bytes of it have come."""
    more = True
    while more and limit > 0:
        message = await receive()
        limit -= len(message.get("body", b""))
        more = message.get("more_body", False)


class BoundedBody:
    """A `receive` that counts, and raises BodyTooLarge beyond `limit` bytes."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self.limit = limit
        self.taken = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.taken += len(message.get("body", b""))
        if self.taken > self.limit:
            await self.refuse(message)
        return message

    async def refuse(self, message: Message) -> None:
        """Swallow what is still coming, up to DRAIN_BYTES, then raise BodyTooLarge."""
        if message.get("more_body"):
            await swallow(self._receive, self.limit + DRAIN_BYTES - self.taken)
        raise BodyTooLarge(f"a body may hold at most {self.limit // MIB} MiB")


@asynccontextmanager
async def _arriving(request: Request, limit: int, timeout_s: float) -> AsyncIterator[Request]:
    """The request with its body bounded. Raises BodyTooLarge, BodyTimeout."""
    body = BoundedBody(request.receive, limit)
    try:
        async with asyncio.timeout(timeout_s):
            await _refuse_announced(request, body)
            yield Request(request.scope, body.receive)
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {timeout_s:g} s") from None


async def _refuse_announced(request: Request, body: BoundedBody) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > body.limit:
        await body.refuse({"type": "http.request", "more_body": True})


def _type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _encoded_audio(body: bytes) -> bytes:
    """The bytes behind `{"audio": "<base64>"}`; of other fields nothing is wanted."""
    try:
        audio = json.loads(body)["audio"]
        return base64.b64decode(audio, validate=True)
    except KeyError:
        raise MalformedUpload("there is no `audio` in the JSON; it holds the base64 of an audio file") from None
    except (ValueError, TypeError, RecursionError):  # also of UnicodeDecodeError and binascii.Error
        raise MalformedUpload('the body is not {"audio": "<base64 of an audio file>"}, as its type says') from None


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=MAX_FIELDS)
    except HTTPException as error:  # what Starlette makes of a form that its parser refuses
        raise MalformedUpload(f"the multipart body cannot be parsed: {error.detail}") from error


def file_part(form: FormData) -> UploadFile:
    """The part `file`. Raises MalformedUpload."""
    part = form.get("file")
    if isinstance(part, UploadFile):
        return part
    if part is not None:
        raise MalformedUpload("the part `file` needs a filename, as in `curl -F file=@clip.wav`")
    found = ", ".join(sorted(form)) or "no part"
    raise MalformedUpload(f"there is no part `file` in the form; it has {found}")
