"""`python -m serve.decoding.clip_worker CHANNEL MEMORY_MIB`: uploads in, clips out, one by one.

CHANNEL is the number of an open socket; the process ends when its other end is closed.
"""

import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ingest.fingerprint import BadInput
from serve.clip import Clip, read_clip
from serve.decoding.confinement import bounded, confine
from serve.decoding.frames import receive, send

MOST = 1 << 32  # bytes of an upload: its owner has bounded them
READY = {"ready": True}

Read = Callable[..., Clip]


def main(arguments: Sequence[str], read: Read = read_clip) -> None:
    """Answer until nobody asks any more."""
    number, memory_mib = (int(argument) for argument in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which closes the channel
    with socket.socket(fileno=number) as channel, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        confine(memory_mib)
        send(channel, READY)
        while True:
            answer(channel, read)


def answer(channel: socket.socket, read: Read) -> None:
    """One upload: a clip, or the code and the reason of bad input."""
    wish, data = receive(channel, MOST)
    with bounded(wish.pop("decode_s")):
        told, payload = _read(read, bytes(data), wish)
    send(channel, told, payload)


def _read(read: Read, data: bytes, wish: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        clip = read(data, **wish)
    except BadInput as error:
        return refusal(error), b""
    return {"start_s": clip.start_s, "duration_s": clip.duration_s}, clip.samples.tobytes()


def refusal(error: BadInput) -> dict[str, Any]:
    """Bad input over the wire."""
    return {"code": error.code, "detail": str(error)}


if __name__ == "__main__":
    main(sys.argv[1:])
