"""The Milvus Lite server of a home, seen from inside: `python -m ingest.stores.lite_process HOME/vectors`.

Started by `ingest.stores.lite_server` alone. It serves on a free loopback port until nobody holds the users'
lock, it is told to end, or the home is gone.
"""

import json
import os
import signal
import sys
import threading
import time
from concurrent import futures
from contextlib import suppress
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen import milvus_pb2_grpc

from ingest.stores.file_lock import FileLock
from ingest.stores.gate import Gate, GateInterceptor

LINGER_S = 2.0  # without users, so that commands in a row share one server
WATCH_S = 0.25
GRACE_S = 5.0  # for requests under way
WORKERS = 10
MESSAGE_LIMIT_BYTES = 256 << 20


def main(directory: Path) -> int:
    serving = FileLock(directory / "server.lock")
    if not serving.acquire(timeout_s=1.0):
        _say("busy")
        return 0
    serving.write("")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    database = MilvusLite(str(directory / "data"))
    server, port = _serve(database)
    serving.write(json.dumps({"port": port, "pid": os.getpid()}))
    _say("up")
    users = FileLock(directory / "users.lock")
    _watch(users, serving, stop)
    if not serving.orphaned():
        serving.write("")
    server.stop(GRACE_S).wait()
    database.close()
    return 0


def _serve(database: MilvusLite) -> tuple[grpc.Server, int]:
    """A running server of the Milvus protocol on a free port of the loopback interface."""
    server = grpc.server(
        futures.ThreadPoolExecutor(WORKERS),
        interceptors=[GateInterceptor(Gate())],
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.so_reuseport", 0),
        ],
    )
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _watch(users: FileLock, serving: FileLock, stop: threading.Event) -> None:
    """Return when the server is to end; if for want of users, with their lock held so that none can begin."""
    used_at = time.monotonic()
    while not stop.wait(WATCH_S) and not serving.orphaned():
        if not users.acquire():
            used_at = time.monotonic()
        elif time.monotonic() - used_at > LINGER_S:
            return
        else:
            users.release()


def _say(answer: str) -> None:
    """Tell whoever started the server, if it still listens, and let go of its pipe."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), f"{answer}\n".encode())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
