"""The one Milvus Lite server of a home, seen by its users.

Milvus Lite lets a single process open its files, so a small server owns them and every user talks to it:

    home/vectors/users.lock     every user holds it shared; the server ends when it can have it alone
    home/vectors/start.lock     held while looking for the server and starting it: never two at once
    home/vectors/server.lock    held by the server as long as it lives; its text is the server's address
    home/vectors/data/          the files of Milvus Lite
    home/vectors/server.log

The locks are the kernel's, so they vanish with a killed process: an address in an unlocked file is stale.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

from ingest.errors import VectorStoreError
from ingest.stores.file_lock import POLL_S, FileLock

DIRECTORY = "vectors"
START_S = 120.0  # on a busy machine its imports alone may take half a minute
LOG_LIMIT_BYTES = 4 << 20
ROOT = Path(__file__).resolve().parents[2]  # where `ingest` is imported from

# Started through a shell that ends at once, so that the server is nobody's child: it outlives its starter,
# and whoever started it need not reap it.
_DETACH = ("/bin/sh", "-c", 'exec "$@" &', "sh")


class LiteServer:
    """One user's hold on the server of a home; while it is open, the server stays."""

    def __init__(self, home: Path, timeout_s: float = START_S) -> None:
        self.directory = home.absolute() / DIRECTORY
        self._timeout_s = timeout_s
        self._users = FileLock(self.directory / "users.lock")
        self._join()
        try:
            self.uri = self.find_or_start()
        except BaseException:
            self._users.release()
            raise

    def find_or_start(self) -> str:
        """Address of the server, started if none lives; notices a stale one. Raises VectorStoreError."""
        starting = FileLock(self.directory / "start.lock")
        deadline = time.monotonic() + self._timeout_s
        if not starting.acquire(timeout_s=self._timeout_s):
            raise self._error("is being started by another process that does not come to an end")
        try:
            while (uri := self._address()) is None:
                if time.monotonic() > deadline:
                    raise self._error("does not answer")
                self._start(deadline)
            self.uri = uri
            return uri
        finally:
            starting.release()

    def moved(self) -> bool:
        """Whether the server at `uri` is gone; much cheaper than asking it."""
        return self._listed_uri() != self.uri

    def close(self) -> None:
        self._users.release()

    def _join(self) -> None:
        try:
            joined = self._users.acquire(shared=True, timeout_s=self._timeout_s)
        except OSError as error:
            raise self._error(f"cannot be used: {error}") from error
        if not joined:
            raise self._error("is ending and does not come to an end")

    def _address(self) -> str | None:
        """Address of a living server that accepts connections, else None."""
        uri = self._listed_uri()
        if uri is not None:
            try:
                socket.create_connection(("127.0.0.1", int(uri.rsplit(":", 1)[1])), timeout=1.0).close()
            except OSError:
                return None
        return uri

    def _listed_uri(self) -> str | None:
        """Address that a living server has written down; None also while it starts or ends."""
        serving = FileLock(self.directory / "server.lock")
        if serving.acquire(shared=True):
            serving.release()
            return None
        try:
            return f"http://127.0.0.1:{int(json.loads(serving.read())['port'])}"
        except (ValueError, KeyError):
            return None

    def _start(self, deadline: float) -> None:
        """Start a server and wait until it has said that it is up, that another one is, or why it is not."""
        log_path = self.directory / "server.log"
        mode = "wb" if log_path.exists() and log_path.stat().st_size > LOG_LIMIT_BYTES else "ab"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-P", "-m", "ingest.stores.lite_process", str(self.directory)]
        with log_path.open(mode) as log:
            shell = subprocess.Popen(
                [*_DETACH, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        assert shell.stdout is not None
        with shell.stdout as answers:
            shell.wait()
            ready, _, _ = select.select([answers], [], [], max(0.0, deadline - time.monotonic()))
            answer = answers.readline().decode().strip() if ready else "does not come up"
        if answer == "busy":
            time.sleep(POLL_S)
        elif answer != "up":
            raise self._error(answer or f"did not start: {_last_line(log_path)}")

    def _error(self, what: str) -> VectorStoreError:
        return VectorStoreError(f"the Milvus Lite server of {self.directory} {what}")


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no message")
