"""Bytes passed on between two network namespaces: a socket belongs to the one that its thread was in."""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

CLONE_NEWNET = 0x40000000
CHUNK = 65_536
_LIBC = ctypes.CDLL(None, use_errno=True)
Address = tuple[str, int]


def listening(address: Address, place: Path) -> socket.socket:
    """A socket that listens in the namespace that lies at this place."""
    with ThreadPoolExecutor(1, initializer=_enter, initargs=(place,)) as thread:
        return thread.submit(socket.create_server, address).result()


@contextmanager
def relaying(
    listener: socket.socket, target: Address, place: Path | None = None, wait_s: float = 0.0
) -> Iterator[None]:
    """Whoever connects to the listener reaches the target, as it is seen from that namespace or, without, from here.

    What is sent there waits so long.
    """
    ended: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    began = threading.Event()

    under_way: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(task := asyncio.create_task(_pass_on(reader, writer, target, wait_s)))
        task.add_done_callback(under_way.discard)

    async def passing() -> None:
        ended.append((asyncio.get_running_loop(), asyncio.Event()))
        server = await asyncio.start_server(connected, sock=listener)
        began.set()
        await ended[0][1].wait()
        server.close()

    def run() -> None:
        if place is not None:
            _enter(place)
        asyncio.run(passing())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert began.wait(30), "the relay does not start"
    try:
        yield
    finally:
        loop, event = ended[0]
        loop.call_soon_threadsafe(event.set)
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Address, wait_s: float) -> None:
    with suppress(OSError, asyncio.CancelledError):
        async with _closing(writer):
            other_reader, other_writer = await asyncio.open_connection(*target)
            async with _closing(other_writer):
                await asyncio.gather(_pump(reader, other_writer, wait_s), _pump(other_reader, writer))


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """When it is cut short, what nobody takes any more is dropped: it would keep the connection open."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_s: float = 0.0) -> None:
    """To the end of what comes, which is passed on as well."""
    while chunk := await reader.read(CHUNK):
        await asyncio.sleep(wait_s)
        writer.write(chunk)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


def _enter(place: Path) -> None:
    """For the calling thread, and those that it starts."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        if _LIBC.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(descriptor)
