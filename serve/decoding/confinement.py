"""What a decode process denies itself before it looks at a caller's bytes; for ever, and for all that it runs."""

import io
import pkgutil
import resource
import signal
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import av

from ingest.fingerprint import SAMPLE_RATE, decode

MIB = 1 << 20


def confine(memory_mib: int) -> None:
    """No file and no socket is opened from here on, no core is written, and so much memory is taken at most beyond
    what is taken now.

    What is open stays open; what is imported on first use must be imported before.
    """
    _import_whole("av", av.__path__)
    decode(_moment_of_silence())
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory_mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _import_whole(package: str, places: list[str]) -> None:
    for found in pkgutil.walk_packages(places, f"{package}."):
        if not found.name.endswith(".__main__"):
            import_module(found.name)


def _moment_of_silence() -> bytes:
    """A tenth of a second as a WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(bytes(SAMPLE_RATE // 5))
    return buffer.getvalue()


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """What takes longer ends the process: the kernel does it, whoever holds Python's lock, whether anyone watches."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
