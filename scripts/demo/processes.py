"""The commands that the demonstration shows: `python -m ingest`, and `python -m serve` for as long as it is needed."""

import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serve.client import Client

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 180.0
GONE_WITHIN_S = 40.0
LOG_LINES = 20


class DemoError(Exception):
    """The demonstration cannot go on; the message says why."""


def module(name: str, *arguments: str) -> list[str]:
    """The command line of one of the project's modules."""
    return [sys.executable, "-m", name, *arguments]


def shown(command: Sequence[str]) -> str:
    """A command as one would type it."""
    program = Path(command[0])
    typed = program.relative_to(ROOT) if program.is_relative_to(ROOT) else program
    return f"$ {shlex.join([str(typed), *command[1:]])}"


def ingest(home: Path, music: Path) -> None:
    """Ingests a folder, its progress on this terminal. Raises DemoError when it does not end well."""
    process = subprocess.Popen(ingest_command(home, music), cwd=ROOT)
    try:
        code = process.wait()
    finally:
        end(process)
    if code:
        raise DemoError(f"ingest ended with exit code {code}")


def ingest_command(home: Path, music: Path) -> list[str]:
    return module("ingest", f"home={home}", "catalog=folder", f"catalog.path={music}")


def serve_command(home: Path, port: int, *options: str, module_name: str = "serve") -> list[str]:
    return module(module_name, f"home={home}", f"port={port}", *options)


@contextmanager
def service(home: Path, port: int, *options: str, module_name: str = "serve") -> Iterator[str]:
    """A running service that is ready; yields its URL and ends it afterwards. What it says goes to home/serve.log.

    `module_name` stands in its place where it is another one.

    Raises DemoError when it does not come up, or does not end.
    """
    log = home / "serve.log"
    with log.open("wb") as said:
        command = serve_command(home, port, *options, module_name=module_name)
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, process, log)
        yield url
    finally:
        end(process)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, within_s: float = READY_WITHIN_S) -> None:
    """Comes back when the service answers; raises DemoError with the end of its log when it has gone or is late."""
    deadline = time.monotonic() + within_s
    with Client(url) as client:
        while not client.ready():
            if process.poll() is not None:
                raise DemoError(f"the service ended with exit code {process.returncode}:\n{tail(log)}")
            if time.monotonic() > deadline:
                raise DemoError(f"the service is not ready after {within_s:.0f} s:\n{tail(log)}")
            time.sleep(0.3)


def end(process: subprocess.Popen[bytes], within_s: float = GONE_WITHIN_S) -> None:
    """SIGTERM, if it still runs, and patience; raises DemoError if it had to be killed."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise DemoError(f"{process.args!r} did not end within {within_s:.0f} s of SIGTERM") from None


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
