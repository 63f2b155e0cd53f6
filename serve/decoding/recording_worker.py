"""`python -m serve.decoding.recording_worker CHANNEL MEMORY_MIB FILE`: one long recording out, window by window.

CHANNEL and FILE are numbers of what is open. A window is decoded ahead while the one before waits to be taken.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, Protocol

from ingest.fingerprint import BadInput
from serve.decoding.clip_worker import READY, refusal
from serve.decoding.confinement import bounded, confine
from serve.decoding.frames import receive, send
from serve.recording import Pcm, Recording


class Decoded(Protocol):
    """A recording as it is decoded: `serve.recording.Recording` is one."""

    @property
    def duration_s(self) -> float: ...

    def __iter__(self) -> Iterator[Pcm]: ...


def main(arguments: Sequence[str], record: Callable[..., Decoded] = Recording) -> None:
    """Tell the whole recording."""
    number, memory_mib, source = (int(argument) for argument in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=number) as channel, os.fdopen(source, "rb") as file:
        confine(memory_mib)
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):
            send(channel, READY)
            tell(channel, file, record)


def tell(channel: socket.socket, file: BinaryIO, record: Callable[..., Decoded]) -> None:
    """Its windows, and then the end, or the code and the reason of bad input."""
    wish, _ = receive(channel, 0)
    decode_s = wish.pop("decode_s")
    recording = record(file, **wish)
    windows, size = iter(recording), max(1, os.fstat(file.fileno()).st_size)
    try:
        while (window := _next(windows, decode_s)) is not None:
            send(channel, {"duration_s": recording.duration_s, "share": file.tell() / size}, window.tobytes())
    except BadInput as error:
        send(channel, refusal(error))
    else:
        send(channel, {"end": True, "duration_s": recording.duration_s, "share": 1.0})


def _next(windows: Iterator[Pcm], decode_s: float) -> Pcm | None:
    with bounded(decode_s):
        return next(windows, None)


if __name__ == "__main__":
    main(sys.argv[1:])
