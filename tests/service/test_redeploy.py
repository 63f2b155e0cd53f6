"""What callers notice when replicas are exchanged or lost, on a real Ray Serve."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ingest.fingerprint.encoder import save_encoder, seeded_encoder
from serve.client import Client, ClientError
from serve.process_tree import Process, descendants
from tests.service.sounds import melody, wav
from tests.service.test_listen import pcm
from tests.service.test_server import ROOT, START_S, STOP_S, free_port
from tests.waiting import wait_for

CALLERS = 2
CLIP = wav(melody(1, 3.0))

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@dataclass
class Deployed:
    """A service that is deployed anew when it is told to."""

    process: subprocess.Popen[str]
    url: str

    def said(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def again(self) -> None:
        """Returns when the new replicas answer; the old ones may be draining still."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.said("deployed")

    def replicas(self, deployment: bytes) -> list[Process]:
        """The processes of a deployment's replicas."""
        wanted = b"ServeReplica:refrain:" + deployment
        below = descendants(self.process.pid)
        return [process for process in below if wanted in Path(f"/proc/{process.pid}/cmdline").read_bytes()]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder, port = tmp_path_factory.mktemp("r"), free_port()
    weights = folder / "weights.safetensors"
    save_encoder(seeded_encoder(seed=3), weights)
    options = [f"home={folder / 'home'}", f"port={port}", f"encoder.weights={weights}", "bounds.listen_idle_s=120"]
    command = [sys.executable, "-m", "tests.service.redeployed", *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"HOME": str(folder)}, stderr=log, text=True, **pipes
        )
    service = Deployed(process, f"http://127.0.0.1:{port}")
    patience = threading.Timer(START_S, process.kill)
    patience.start()
    try:
        service.said("up")
    finally:
        patience.cancel()
    yield service
    process.communicate(timeout=2 * STOP_S)


@dataclass
class Asked:
    """What callers got who never stopped to ask."""

    url: str
    got: Counter[object] = field(default_factory=Counter)
    longest_s: float = 0.0
    enough: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """One request after the other, none of them repeated."""
        with httpx.Client(base_url=self.url, timeout=60.0) as http:
            while not self.enough.is_set():
                start = time.monotonic()
                try:
                    self.got[http.post("/v1/identify", content=CLIP).status_code] += 1
                except httpx.HTTPError as error:
                    self.got[type(error).__name__] += 1
                self.longest_s = max(self.longest_s, time.monotonic() - start)


@contextmanager
def asked_meanwhile(url: str) -> Iterator[Asked]:
    asked = Asked(url)
    threads = [threading.Thread(target=asked.ask) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        asked.enough.set()
        for thread in threads:
            thread.join()


@contextmanager
def listening(url: str) -> Iterator[ClientConnection]:
    """A caller who is heard live, and was answered once."""
    with connect(f"{url.replace('http:', 'ws:')}/v1/listen", proxy=None) as socket:
        socket.send(pcm(melody(1, 0.5)))
        assert json.loads(socket.recv(timeout=30))["heard_s"] == 0.5
        yield socket


def test_a_new_deployment_costs_no_request(deployed: Deployed) -> None:
    """Every query before, during and after is answered, by replicas that are other processes in the end; a caller who
    is heard live is closed with a code that says why."""
    (before,) = deployed.replicas(b"api")
    with listening(deployed.url) as socket, asked_meanwhile(deployed.url) as asked:
        deployed.again()
        assert json.loads(socket.recv(timeout=30))["code"] == "draining"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
        assert (socket.close_code, socket.close_reason) == (1012, "draining")
        wait_for(lambda: not before.alive)
    assert set(asked.got) == {200}, asked
    assert asked.got[200] > CALLERS
    print(f"\n{asked.got[200]} requests, the longest took {asked.longest_s:.2f} s")


def test_a_lost_replica_costs_a_client_no_answer(deployed: Deployed) -> None:
    """With the only replica of the API killed, a client that repeats what is refused gets every answer."""
    (before,) = deployed.replicas(b"api")
    with Client(deployed.url, retries=20) as client:
        assert client.identify(CLIP)["matches"] == []
        os.kill(before.pid, signal.SIGKILL)
        start = time.monotonic()
        failures: list[ClientError] = []
        for _ in range(5):
            try:
                assert client.identify(CLIP)["matches"] == []
            except ClientError as error:
                failures.append(error)
    print(f"\nall answered {time.monotonic() - start:.1f} s after the loss")
    assert not failures
    assert [process.pid for process in deployed.replicas(b"api")] != [before.pid]
