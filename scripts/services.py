"""MariaDB and Milvus for tests and trials: private instances on free ports, gone when they are left; and other tools.

    python -m scripts.services          starts both, prints their addresses, ends them on Ctrl-C

MariaDB is Debian's `mariadb-server`, the browser its `chromium`, promtool part of its `prometheus`, `ip` and `nft` are
its `iproute2` and `nftables`, each installed if missing and we are root; Milvus is the PyPI package `milvus`, a whole
server in one process. What cannot be had is an error that names the package.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pymysql
from pymilvus import MilvusClient, MilvusException

from ingest.supervisor import end_with_parent

START_S = 180
STOP_S = 30
TRIES = 3  # a free port may be taken before the server has it
MILVUS_PORTS = (
    "proxy",
    "proxy-internal",
    "etcd",
    "root-coord",
    "query-coord",
    "query-node",
    "index-coord",
    "index-node",
    "data-coord",
    "data-node",
)


class ServiceError(RuntimeError):
    """A service that cannot be had; the message names the package or shows what the service said."""


@contextmanager
def mariadb(directory: Path, port: int | None = None, buffer_pool_mb: int = 64) -> Iterator[str]:
    """A private MariaDB; yields its URL without a database, `mysql+pymysql://root@127.0.0.1:PORT`.

    The same directory and port again is the same server, restarted.
    """
    server, installer = find_mariadb()
    data, log = directory / "data", directory / "mariadb.log"
    directory.mkdir(parents=True, exist_ok=True)
    user = ["--user=root"] if os.geteuid() == 0 else []
    if not data.exists():
        options = [f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal"]
        _run([installer, "--no-defaults", *user, *options], "mariadb-install-db")
    with tempfile.TemporaryDirectory(prefix="refrain-") as short:  # a socket's path ends at 107 bytes

        def start() -> tuple[subprocess.Popen[bytes], str]:
            listening = port or free_ports(1)[0]
            options = [f"--datadir={data}", f"--port={listening}", f"--socket={short}/s", "--bind-address=127.0.0.1"]
            # Its own tmpdir: another one that starts sweeps the temporary tables in the common one.
            options += [f"--innodb-buffer-pool-size={buffer_pool_mb}M", f"--tmpdir={short}"]
            command = [server, "--no-defaults", *user, *options]
            return _spawn(command, log, signal.SIGTERM), f"mysql+pymysql://root@127.0.0.1:{listening}"

        with _running(start, _mariadb_answers, signal.SIGTERM, log) as url:
            yield url


@contextmanager
def milvus(directory: Path, ports: Sequence[int] | None = None) -> Iterator[str]:
    """A private Milvus server; yields its address, `http://127.0.0.1:PORT`.

    The same directory and `ports` (one more than MILVUS_PORTS, the second that of the proxy) again is the same server,
    restarted.
    """
    server = Path(sys.executable).with_name("milvus-server")
    if not server.exists():
        raise ServiceError("Milvus is missing: install the PyPI package milvus==2.3.5 (extra `dev`)")
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "milvus.log"

    def start() -> tuple[subprocess.Popen[bytes], str]:
        _wait_until_free(ports or [])
        peer, *listening = ports or free_ports(len(MILVUS_PORTS) + 1)
        options = [f"--{name}-port={port}" for name, port in zip(MILVUS_PORTS, listening, strict=True)]
        etcd = directory / "etcd.yaml"
        etcd.write_text(_etcd_config(listening[MILVUS_PORTS.index("etcd")], peer), encoding="utf-8")
        command = [str(server), "--data", str(directory), *options]
        process = _spawn(command, log, signal.SIGINT, {"ETCD_CONFIG_PATH": str(etcd)})
        return process, f"http://127.0.0.1:{listening[0]}"

    def answers(uri: str) -> bool:
        return "Ctrl+C to exit" in log.read_text(encoding="utf-8", errors="replace") and _milvus_answers(uri)

    with _running(start, answers, signal.SIGINT, log) as uri:
        yield uri


def find_mariadb() -> tuple[str, str]:
    """Paths of `mariadbd` and `mariadb-install-db`; installs Debian's package if root. Raises ServiceError."""
    server, installer = _programs("mariadb-server", "mariadbd", "mariadb-install-db")
    return server, installer


def find_chromium() -> str:
    """Path of the browser that the web page is tested in; as with MariaDB. Raises ServiceError."""
    (browser,) = _programs("chromium", "chromium")
    return browser


def find_promtool() -> str:
    """Path of what checks Prometheus' rules; as with MariaDB. Raises ServiceError."""
    (promtool,) = _programs("prometheus", "promtool")
    return promtool


def find_ip() -> str:
    """Path of what makes network namespaces; as with MariaDB. Raises ServiceError."""
    (ip,) = _programs("iproute2", "ip")
    return ip


def find_nft() -> str:
    """Path of what filters their packets; as with MariaDB. Raises ServiceError."""
    (nft,) = _programs("nftables", "nft")
    return nft


def _programs(package: str, *names: str) -> list[str]:
    """Paths of a Debian package's programs, installed if one is missing and we are root."""
    found = [_find(name) for name in names]
    if None in found and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"]
        with contextlib.suppress(ServiceError):
            _run(["apt-get", "update"], "apt-get update")
        _run([*install, package], f"apt-get install {package}")
        found = [_find(name) for name in names]
    paths = [path for path in found if path]
    if len(paths) < len(names):
        raise ServiceError(f"{' or '.join(names)} is missing: install the package {package}")
    return paths


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_until_free(ports: Sequence[int]) -> None:
    """Until nothing is left on these ports of a server that was killed: Milvus would silently take others."""
    deadline = time.monotonic() + START_S
    for port in ports:
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.socket() as one:
                one.bind(("127.0.0.1", port))
                break
            time.sleep(0.5)


@contextmanager
def _running(
    start: Callable[[], tuple[subprocess.Popen[bytes], str]],
    answers: Callable[[str], bool],
    ending: signal.Signals,
    log: Path,
) -> Iterator[str]:
    """Start a service, wait until it answers, end it afterwards; yields its address."""
    for _ in range(TRIES):
        process, address = start()
        try:
            if _wait(process, lambda address=address: answers(address)):  # type: ignore[misc]
                yield address
                return
        finally:
            _end(process, ending)
    raise ServiceError(f"{log.stem} does not come up:\n{_tail(log)}")


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    """Whether the service became ready before it ended or the time ran out."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(0.1)
    return False


def _spawn(
    command: list[str], log: Path, ending: signal.Signals, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a service in a group of its own; it is told to end if we are killed."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}) | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=partial(end_with_parent, ending),
        )


def _end(process: subprocess.Popen[bytes], ending: signal.Signals) -> None:
    """End a service and whatever is left of its group."""
    if process.poll() is None:
        process.send_signal(ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _mariadb_answers(url: str) -> bool:
    try:
        pymysql.connect(host="127.0.0.1", port=int(url.rsplit(":", 1)[1]), user="root").close()
    except pymysql.err.OperationalError:
        return False
    return True


def _milvus_answers(uri: str) -> bool:
    """Whether its parts have found each other: after a kill the sessions of before stand in the way for a while."""
    try:
        with contextlib.closing(MilvusClient(uri, timeout=5)) as client:
            client.list_collections(timeout=5)
    except MilvusException:
        return False
    return True


def _etcd_config(client_port: int, peer_port: int) -> str:
    """The etcd inside Milvus listens on 2379 and 2380 unless a file tells it otherwise."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return (
        f"listen-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: {peer}\n"
        f"initial-advertise-peer-urls: {peer}\ninitial-cluster: default={peer}\n"
    )


def _find(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        raise ServiceError(f"{what} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else "(no log)"


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="refrain-services-") as name,
        mariadb(Path(name) / "mariadb") as url,
        milvus(Path(name) / "milvus") as uri,
    ):
        print(f"metadata=mysql metadata.url={url}/refrain vectors=milvus vectors.uri={uri}", flush=True)
        signal.pause()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
