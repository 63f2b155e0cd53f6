"""The body of a request, read within bounds: raw bytes, the part `file` of a multipart form, or `audio` of JSON."""

import asyncio
import base64
import json

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from serve.config import MIB, BoundsConfig
from serve.problems import BodyTimeout, BodyTooLarge, EmptyBody, MalformedUpload

MAX_FIELDS = 16
DRAIN_BYTES = 64 * MIB  # of a body that is too large: a client that is still sending cannot read the answer


async def read_clip(request: Request, bounds: BoundsConfig) -> bytes:
    """The audio that was sent. Raises EmptyBody, MalformedUpload, BodyTooLarge or BodyTimeout."""
    body = BoundedBody(request.receive, bounds.body_bytes)
    bounded = Request(request.scope, body.receive)
    try:
        async with asyncio.timeout(bounds.body_timeout_s):
            await _refuse_announced(request, body)
            match request.headers.get("content-type", "").partition(";")[0].strip().lower():
                case "multipart/form-data":
                    clip = await _file_part(bounded)
                case "application/json":
                    clip = await asyncio.to_thread(_encoded_audio, await bounded.body())
                case _:
                    clip = await bounded.body()
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {bounds.body_timeout_s:g} s") from None
    if not clip:
        raise EmptyBody("there is nothing in the body; send the bytes of an audio file")
    return clip


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


async def swallow(receive: Receive, limit: int) -> None:
    """Read a body to its end, or until so many bytes of it have come."""
    more = True
    while more and limit > 0:
        message = await receive()
        limit -= len(message.get("body", b""))
        more = message.get("more_body", False)


async def _refuse_announced(request: Request, body: BoundedBody) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > body.limit:
        await body.refuse({"type": "http.request", "more_body": True})


def _encoded_audio(body: bytes) -> bytes:
    """The bytes behind `{"audio": "<base64>"}`; of other fields nothing is wanted."""
    if not body:
        return body
    try:
        audio = json.loads(body)["audio"]
        return base64.b64decode(audio, validate=True)
    except KeyError:
        raise MalformedUpload("there is no `audio` in the JSON; it holds the base64 of an audio file") from None
    except (ValueError, TypeError, RecursionError):  # also of UnicodeDecodeError and binascii.Error
        raise MalformedUpload('the body is not {"audio": "<base64 of an audio file>"}, as its type says') from None


async def _file_part(request: Request) -> bytes:
    try:
        async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
            part = form.get("file")
            if isinstance(part, UploadFile):
                return await part.read()
            found = ", ".join(sorted(form)) or "no part"
    except HTTPException as error:  # what Starlette makes of a form that its parser refuses
        raise MalformedUpload(f"the multipart body cannot be parsed: {error.detail}") from error
    if part is not None:
        raise MalformedUpload("the part `file` needs a filename, as in `curl -F file=@clip.wav`")
    raise MalformedUpload(f"there is no part `file` in the form; it has {found}")
