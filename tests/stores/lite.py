"""A home's Milvus Lite server as tests look at it from outside."""

import json
import os
import signal
import time
from pathlib import Path

from ingest.stores.file_lock import FileLock


def server_pid(home: Path) -> int | None:
    """Process id of the living server; None when there is none."""
    serving = FileLock(home / "vectors" / "server.lock")
    if serving.acquire(shared=True):
        serving.release()
        return None
    try:
        return int(json.loads(serving.read())["pid"])
    except (ValueError, KeyError):
        return None


def kill_server(home: Path, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill the server and wait until it is gone."""
    pid = server_pid(home)
    assert pid is not None, "no server to kill"
    os.kill(pid, number)
    assert ended(home)


def ended(home: Path, within_s: float = 60.0) -> bool:
    """Whether the server ends in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if server_pid(home) is None:
            return True
        time.sleep(0.05)
    return False
