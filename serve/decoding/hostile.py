"""A decoder that does what hostile bytes might make a real one do: for tests, and to see a service go on.

`python -m serve.decoding.hostile CHANNEL MEMORY_MIB` runs in place of the clip worker.
"""

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serve.clip import Clip, read_clip
from serve.decoding.clip_worker import main

BOMB_BYTES = 1 << 36


def hang() -> None:
    """For ever, without letting anything else of Python run."""
    ctypes.PyDLL(None).pause()


def crash() -> None:
    ctypes.string_at(1)


def swell() -> None:
    bytearray(BOMB_BYTES)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def open_a_file() -> None:
    Path("/etc/hostname").read_bytes()


def open_a_socket() -> None:
    socket.socket()


def be_stopped() -> None:
    """Not even an alarm ends it."""
    os.kill(os.getpid(), signal.SIGSTOP)


def sleep() -> None:
    time.sleep(3600)


DEEDS: dict[bytes, Callable[[], Any]] = {
    deed.__name__.encode(): deed
    for deed in (hang, crash, swell, be_killed, open_a_file, open_a_socket, be_stopped, sleep)
}


def read(data: bytes, **wish: Any) -> Clip:
    """What the first line says, if it is a deed; otherwise the clip."""
    deed = DEEDS.get(data.partition(b"\n")[0])
    if deed:
        deed()
    return read_clip(data, **wish)


if __name__ == "__main__":
    main(sys.argv[1:], read)
