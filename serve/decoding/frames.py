"""What a decode process and its owner say to each other: a few named values and raw bytes, over a stream socket."""

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

HEAD = struct.Struct("!IQ")  # bytes of the values, as JSON; bytes of the payload
MOST_TOLD = 1 << 16  # bytes of the values

Payload = bytes | bytearray | memoryview


class BadFrame(Exception):
    """What came is nothing that a worker says."""


def send(channel: socket.socket, told: Mapping[str, Any], payload: Payload = b"", limit_s: float | None = None) -> None:
    """Raises TimeoutError after `limit_s`, OSError."""
    values = json.dumps(told).encode()
    channel.settimeout(limit_s)
    channel.sendall(HEAD.pack(len(values), len(payload)) + values)
    if payload:  # sending nothing fails as well, once the other side has answered and gone
        channel.sendall(payload)


def receive(channel: socket.socket, most: int, limit_s: float | None = None) -> tuple[dict[str, Any], bytearray]:
    """The values, and a payload of at most so many bytes.

    Raises EOFError at the end, BadFrame, TimeoutError after `limit_s`, OSError.
    """
    deadline = None if limit_s is None else time.monotonic() + limit_s
    told_bytes, payload_bytes = HEAD.unpack(_exactly(channel, HEAD.size, deadline))
    if told_bytes > MOST_TOLD or payload_bytes > most:
        raise BadFrame(f"{told_bytes} and {payload_bytes} bytes announced")
    try:
        told = json.loads(_exactly(channel, told_bytes, deadline))
    except ValueError as error:
        raise BadFrame("no JSON") from error
    if not isinstance(told, dict):
        raise BadFrame("no named values")
    return told, _exactly(channel, payload_bytes, deadline)


def _exactly(channel: socket.socket, count: int, deadline: float | None) -> bytearray:
    content = bytearray(count)
    rest = memoryview(content)
    while rest:
        channel.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
        taken = channel.recv_into(rest)
        if not taken:
            raise EOFError
        rest = rest[taken:]
    return content
