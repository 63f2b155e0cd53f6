"""One Milvus Lite server a home, whoever starts it and whoever is killed."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ingest.stores import VectorsConfig, VectorStoreError, open_vectors
from ingest.stores.file_lock import FileLock
from ingest.stores.lite_server import ROOT, LiteServer
from tests.stores.lite import ended, kill_server, server_pid
from tests.stores.rows import random_peaks

pytestmark = pytest.mark.integration  # every test starts a server or two


@contextmanager
def user(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A user in a process of its own; its first line is the address it got."""
    command = [sys.executable, "-m", "tests.stores.lite_user", str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_many_start_it_at_once(home: Path) -> None:
    """Processes and threads that open a home at the same moment all get the one server."""
    with user(home) as first, user(home) as second, ThreadPoolExecutor(4) as threads:
        servers = list(threads.map(lambda _: LiteServer(home), range(4)))
        uris = {address(first), address(second), *(server.uri for server in servers)}
        assert len(uris) == 1
        for server in servers:
            server.close()


def test_it_outlives_the_user_that_started_it(home: Path) -> None:
    """Killing the process that started the server does not touch the others."""
    with user(home) as starter:
        uri = address(starter)
        server = LiteServer(home)
        starter.kill()
    assert server.uri == uri
    assert not server.moved()
    server.close()


def test_it_ends_when_no_user_is_left(home: Path) -> None:
    """The server ends by itself after the last user is gone, even by SIGKILL, and leaves no address."""
    with user(home) as first:
        address(first)
        LiteServer(home).close()
        assert server_pid(home) is not None
        first.kill()
    assert ended(home)
    assert (home / "vectors" / "server.lock").read_text() == ""


def test_rows_survive_a_kill_of_the_server(home: Path) -> None:
    """After SIGKILL of the server an open store goes on by itself, with every row that was written."""
    keys, stored = np.arange(50, dtype=np.int64), np.eye(50, 64, dtype=np.float32)
    with open_vectors(VectorsConfig(), home) as vectors:
        vectors.create("kept", 64)
        vectors.upsert("kept", keys, stored, random_peaks(50))
        kill_server(home)
        assert np.array_equal(vectors.search("kept", stored, 1).keys[:, 0], keys)
        assert np.array_equal(vectors.fetch("kept", keys).peaks, random_peaks(50))
        assert vectors.count("kept") == 50


def test_it_can_be_told_to_end(home: Path) -> None:
    """SIGTERM ends the server cleanly though it has users; the next request starts another."""
    with open_vectors(VectorsConfig(), home) as vectors:
        vectors.create("kept", 4)
        kill_server(home, signal.SIGTERM)
        assert vectors.list() == ["kept"]


def test_processes_that_are_forked_beside_it_live(home: Path) -> None:
    """One in twelve died between fork and exec of gRPC's own handlers, and then Ray did not start."""
    command = [sys.executable, "-m", "tests.stores.forking_user", str(home), "150"]
    forked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert forked.stdout.strip() == "{0: 150}", forked.stdout + forked.stderr


def test_a_stale_address_is_noticed(home: Path) -> None:
    """An address whose server is gone is not used, even if somebody else listens on its port now."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        (home / "vectors").mkdir(parents=True)
        (home / "vectors" / "server.lock").write_text(json.dumps({"port": port, "pid": 1}))
        server = LiteServer(home)
        assert server.uri != f"http://127.0.0.1:{port}"
        server.close()


def test_it_ends_when_its_home_is_removed(home: Path) -> None:
    """A server does not outlive its home, though a user still holds on."""
    server = LiteServer(home)
    pid = server_pid(home)
    shutil.rmtree(home)
    assert pid is not None
    assert _is_gone(pid)
    server.close()


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    """When the files of Milvus Lite are held by a stranger, the error names the folder and the reason."""
    data = home / "vectors" / "data"
    data.mkdir(parents=True)
    stranger = FileLock(data / "LOCK")
    assert stranger.acquire()
    with pytest.raises(VectorStoreError, match=r"Milvus Lite server of .*vectors did not start: .*[Ll]ock"):
        LiteServer(home)
    stranger.release()
    LiteServer(home).close()


def test_odd_homes(tmp_path: Path) -> None:
    """Spaces, quotes, dollars and Unicode in the home's name are taken literally."""
    home = tmp_path / 'my $HOME \'n "quotes"; (ü😀)'
    with open_vectors(VectorsConfig(), home) as vectors:
        vectors.create("odd", 4)
        assert vectors.list() == ["odd"]
    assert {path.name for path in tmp_path.iterdir()} == {home.name}


def _is_gone(pid: int) -> bool:
    for _ in range(1_200):
        if not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.05)
    return False
