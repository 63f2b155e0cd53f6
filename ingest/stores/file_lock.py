"""Advisory file locks that die with their holder, however it ends (flock)."""

import fcntl
import os
import time
from pathlib import Path

POLL_S = 0.05


class FileLock:
    """One lock on one file, held by this object. Every object is its own holder, in one process too.

    Children made by fork without exec share the lock; those made by exec do not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        return self._fd is not None

    def acquire(self, *, shared: bool = False, timeout_s: float = 0.0) -> bool:
        """Whether the lock was had within the time. OSError if the file cannot be opened."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + timeout_s
        while not _try_lock(fd, shared):
            if time.monotonic() >= deadline:
                os.close(fd)
                return False
            time.sleep(POLL_S)
        self._fd = fd
        return True

    def release(self) -> None:
        """Let go; letting go twice is fine."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self) -> str:
        """What the last holder wrote; empty if nothing."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def write(self, text: str) -> None:
        """Replace the file's content; for the holder of an exclusive lock."""
        if self._fd is None:
            raise RuntimeError(f"{self.path} is not locked")
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)

    def orphaned(self) -> bool:
        """Whether the locked file is no longer the one at its path."""
        if self._fd is None:
            return True
        try:
            return not os.path.samestat(os.fstat(self._fd), self.path.stat())
        except FileNotFoundError:
            return True


def _try_lock(fd: int, shared: bool) -> bool:
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
