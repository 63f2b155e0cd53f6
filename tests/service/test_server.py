"""The real thing: `python -m serve` as a process, asked over its socket, on the stores of a home.

The network is an untrained one, so that nothing here depends on how well the shipped one hears: to it everything sounds
alike, but a clip cut from a recording on the embedding grid is still the most alike. The generation's calibration
accepts whatever is best.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

import httpx
import numpy as np
import pytest

from ingest.fingerprint import EMBEDDING_HOP, Embedder, vector_key
from ingest.fingerprint.encoder import save_encoder, seeded_encoder
from ingest.fingerprint.pcm import to_int16
from ingest.stores import (
    CatalogStore,
    Done,
    MetadataConfig,
    SourceFile,
    Vectors,
    VectorsConfig,
    open_metadata,
    open_vectors,
)
from serve.client import Client
from serve.matching import Calibration
from serve.process_tree import Process, descendants
from tests.service.sounds import Samples, melody, wav
from tests.service.test_hostile_heads import MIB, connected, said, sent
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
START_S = 240.0  # on a machine that has other things to do
STOP_S = 30.0
COLLECTION = "songs_1"
CROWD = 32
ACCEPTS_THE_BEST = Calibration(tuple(replace(model, threshold=0.0) for model in Calibration.shipped().models))

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running service and where it lives."""

    process: subprocess.Popen[str]
    home: Path
    url: str
    weights: Path

    def below(self) -> list[Process]:
        return descendants(self.process.pid)

    def stop(self, number: int) -> tuple[int, float]:
        """Send a signal; the exit code and the seconds it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(STOP_S), time.monotonic() - start


def started(folder: Path, *options: str) -> Server:
    """`python -m serve` on an empty home, once it says that it is ready."""
    weights = folder / "weights.safetensors"
    save_encoder(seeded_encoder(seed=3), weights)
    home, port = folder / "home, [1]", free_port()
    command = [sys.executable, "-m", "serve", f"home={home}", f"port={port}", f"encoder.weights={weights}", *options]
    environment = os.environ | {"HOME": str(folder)}
    with (folder / "out").open("w") as out, (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=log, text=True)
    server = Server(process, home, f"http://127.0.0.1:{port}", weights)
    deadline = time.monotonic() + START_S
    while "\n" not in (said := (folder / "out").read_text()) and process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if f"{server.url}/" not in said:
        server.stop(signal.SIGTERM)
        pytest.fail(f"the service did not come up: {said!r} {(folder / 'log').read_text()}")
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = started(tmp_path_factory.mktemp("s"), "bounds.waiting=0", "resources.embed_replicas=1")
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGTERM)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@dataclass
class Filler:
    """Puts recordings into a home beside the running service, as a job does."""

    catalog: CatalogStore
    vectors: Vectors
    embedder: Embedder

    def add(self, songs: dict[str, Samples]) -> None:
        encoder = self.embedder.checksum
        files = [SourceFile(uri, "1", 1, title=uri.upper()) for uri in songs]
        self.catalog.register([*self.listed, *files], "run")
        self.listed += files
        generation = self.catalog.generation(encoder)
        if generation is None:
            generation = self.catalog.create_generation(COLLECTION, encoder, self.embedder.dim, "FLAT")
            self.vectors.create(COLLECTION, self.embedder.dim)
        for work in list(self.catalog.pending(encoder)):
            stored = self.embedder.embed(to_int16(songs[work.uri])).stored()
            keys = np.array([vector_key(work.recording_id, int(segment)) for segment in stored.segments], np.int64)
            self.vectors.upsert(COLLECTION, keys, stored.vectors, stored.peaks)
            done = Done(work.recording_id, len(keys), 1, ("a.parquet",), len(songs[work.uri]) / 8000)
            self.catalog.commit(encoder, [done], [], "run")
            self.catalog.mark_loaded(generation.generation_id, {work.recording_id: len(keys)})
        self.vectors.flush(COLLECTION)
        if self.catalog.active_generation() is None:
            self.catalog.set_calibration(generation.generation_id, ACCEPTS_THE_BEST.to_dict())
            self.catalog.mark_ready(generation.generation_id)
            self.catalog.activate(generation.generation_id)
        self.catalog.publish(generation.generation_id)

    def __post_init__(self) -> None:
        self.listed: list[SourceFile] = []


@pytest.fixture(scope="module")
def filler(server: Server) -> Iterator[Filler]:
    with (
        open_metadata(MetadataConfig(), server.home) as metadata,
        open_vectors(VectorsConfig(), server.home) as vectors,
    ):
        yield Filler(metadata.catalog("default"), vectors, Embedder.load(server.weights))


def grid_clip(song: Samples, first: int, cells: int) -> bytes:
    """A clip that begins on the stored grid."""
    return wav(song[first * 4 * EMBEDDING_HOP : (first * 4 + cells) * EMBEDDING_HOP])


def found(client: Client, clip: bytes) -> list[str]:
    return [match["uri"] for match in client.identify(clip)["matches"]]


def eventually(client: Client, clip: bytes, uri: str) -> None:
    """Wait until the clip is answered with that track."""
    wait_for(lambda: found(client, clip)[:1] == [uri], said=lambda: f"{uri} among {found(client, clip)}")


def test_an_empty_home_is_ready_and_matches_nothing(client: Client) -> None:
    """Right after its line, the service is ready, knows no generation, and answers a real tone clip with no match."""
    assert client.ready()
    assert client.info()["generation"] is None
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(80_000) / 8000)
    answer = client.identify(wav(tone.astype(np.float32)))
    assert answer["matches"] == []
    assert answer["query"]["duration_s"] == 10.0


def test_errors_over_the_socket_are_problems(server: Server) -> None:
    """Through Ray's proxy as well, errors are problem+json, with one request id that is the caller's own."""
    with httpx.Client(base_url=server.url) as http:
        response = http.post("/v1/identify", content=b"no audio", headers={"x-request-id": "mine"})
        assert (response.status_code, response.json()["code"]) == (422, "unreadable")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers.get_list("x-request-id") == ["mine"]
        assert response.json()["request_id"] == "mine"
        nobodys = http.post("/v1/identify", content=b"no audio")
        assert nobodys.json()["request_id"] == nobodys.headers["x-request-id"] != "mine"
        large = http.post("/v1/identify", content=bytes(33 << 20))
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert http.delete("/v1/tracks/1").json()["code"] == "unknown_track"
        assert http.put("/v1/tracks/1").status_code == 405
        assert http.get("/docs").status_code == http.get("/").status_code == 200
        assert http.get("/openapi.json").json()["info"]["title"] == "Refrain"


def test_rays_proxy_bounds_heads(server: Server, client: Client) -> None:
    """A header without end, and one that never comes, end their connections with a problem, and clips are answered."""
    port = int(server.url.rpartition(":")[2])
    with connected(port) as greedy, connected(port) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX")
        assert sent(greedy, chain([b"GET / HTTP/1.1\r\nX: "], repeat(bytes([97]) * MIB, 64))) < 64 * MIB
        assert client.identify(wav(melody(1, 3.0)))["matches"] == []
        assert b'"code": "head_timeout"' in said(slow)


def test_a_catalogue_that_is_filled_meanwhile_answers(client: Client, filler: Filler) -> None:
    """The first generation is noticed, then new tracks in its collection answer, all without a restart."""
    first, second = melody(11, 30.0), melody(12, 30.0)
    clip = grid_clip(first, first=10, cells=64)
    assert found(client, clip) == []
    filler.add({"first song.flac": first})
    eventually(client, clip, "first song.flac")
    match = client.identify(clip)["matches"][0]
    assert match["offset_s"] == pytest.approx(5.12, abs=0.1)
    assert match["title"] == "FIRST SONG.FLAC"
    assert client.track(match["track_id"])["duration_s"] == pytest.approx(30.0)
    filler.add({"ä, [second].flac": second})
    eventually(client, grid_clip(second, first=20, cells=64), "ä, [second].flac")
    assert client.info()["tracks"] == 2


def test_a_crowd_is_told_to_ask_again(server: Server) -> None:
    """Where nobody may wait, all beyond those being answered get the 429 of the service, none a 503 of the proxy."""
    clip = wav(melody(1, 10.0))

    async def crowd() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            return await asyncio.gather(*(http.post("/v1/identify", content=clip) for _ in range(CROWD)))

    responses = asyncio.run(crowd())
    refused = [response for response in responses if response.status_code != 200]
    assert 0 < len(refused) < CROWD
    for response in refused:
        assert (response.status_code, response.json()["code"]) == (429, "too_many_requests"), response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) >= 1


def test_the_command_of_the_client_works(server: Server, tmp_path: Path) -> None:
    """`python -m serve.client` prints the schema of the service, with the file in front."""
    clip = tmp_path / "a clip.wav"
    clip.write_bytes(wav(melody(5, 2.0)))
    command = [sys.executable, "-m", "serve.client", server.url, str(clip), str(tmp_path / "absent")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    answered, failed = (json.loads(line) for line in ran.stdout.splitlines())
    assert list(answered) == ["file", "query", "matches", "timings_ms"]
    assert (ran.returncode, failed["code"]) == (1, "missing")


def test_figures_of_the_replicas_are_shown(server: Server, client: Client) -> None:
    """/metrics has the requests by route and code, collected by Ray's agent."""
    client.info()
    with httpx.Client(base_url=server.url) as http:
        wait_for(lambda: 'route="/v1/info"' in http.get("/metrics").text, every_s=1.0)
        assert "ray_refrain_requests_total" in http.get("/metrics").text


def test_a_second_service_on_the_port_is_refused(server: Server, tmp_path: Path) -> None:
    """The port of a running service is seen to be taken."""
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "serve", f"home={tmp_path}", f"port={port}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr.count("\n") == 1


def test_a_lost_replica_comes_back(server: Server, client: Client) -> None:
    """Killing the encoder costs no more than retriable errors for a while."""
    clip = wav(melody(1, 3.0))
    (encoder,) = [p for p in server.below() if b"encoder" in Path(f"/proc/{p.pid}/cmdline").read_bytes()]
    os.kill(encoder.pid, signal.SIGKILL)
    deadline = time.monotonic() + 120
    with httpx.Client(base_url=server.url, timeout=60) as http:
        while (response := http.post("/v1/identify", content=clip)).status_code != 200:
            assert response.status_code == 503, response.text
            assert response.headers["retry-after"]
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_sigterm_leaves_nothing_behind(server: Server) -> None:
    """Within 30 s of SIGTERM the service, and every process below it, is gone, with 143 and nothing in HOME."""
    below = server.below()
    assert len(below) > 5
    code, took_s = server.stop(signal.SIGTERM)
    assert code == 143
    assert took_s < STOP_S
    assert not [process for process in below if process.alive]
    left = {entry.name for entry in server.weights.parent.iterdir()}
    assert left == {server.weights.name, "out", "log", server.home.name}
    assert "Traceback" not in (server.weights.parent / "log").read_text()
