"""A service on a Milvus server and a MariaDB that hold a few pieces, and that a test may kill and bring back."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ingest.fingerprint import SAMPLE_RATE, Embedder, vector_key
from ingest.fingerprint.pcm import to_int16
from ingest.publish import activate
from ingest.stores import (
    CatalogStore,
    Done,
    Generation,
    MetadataConfig,
    SourceFile,
    Vectors,
    VectorsConfig,
    open_metadata,
    open_vectors,
)
from scripts.demo.processes import end, free_port, wait_until_ready
from scripts.load.material import Clip
from scripts.music import compose
from scripts.music.files import FORMATS, encode
from scripts.services import MILVUS_PORTS, free_ports, mariadb, milvus
from serve.client import Client, ClientError
from serve.process_tree import descendants
from tests.system.catalogue import ROOT, environment
from tests.system.rolled import ROLLED
from tests.waiting import wait_for

PIECES, UNKNOWN = (1, 2, 3), (71, 72)  # seeds
PIECE_S, CLIP_S = 30.0, 5.0
ANSWERED_WITHIN_S = 90.0
READY_WITHIN_S = 300.0  # on a machine that has other things to do
until = partial(wait_for, within_s=ANSWERED_WITHIN_S, every_s=0.3, forgiven=ClientError)


@dataclass
class Servers:
    """Milvus and MariaDB on places of their own, so that each comes back where it was."""

    folder: Path
    milvus_ports: list[int] = field(default_factory=lambda: free_ports(len(MILVUS_PORTS) + 1))
    mysql_port: int = field(default_factory=free_port)
    running: dict[str, ExitStack] = field(default_factory=dict)

    @property
    def metadata(self) -> MetadataConfig:
        return MetadataConfig("mysql", f"mysql+pymysql://root@127.0.0.1:{self.mysql_port}/refrain")

    @property
    def vectors(self) -> VectorsConfig:
        return VectorsConfig("milvus", f"http://127.0.0.1:{self.milvus_ports[1]}", index="HNSW")

    def start(self, name: str) -> None:
        """Comes back when it answers."""
        stack = self.running[name] = ExitStack()
        if name == "mysql":
            stack.enter_context(mariadb(self.folder / name, self.mysql_port))
        else:
            stack.enter_context(milvus(self.folder / name, self.milvus_ports))

    def stop(self, name: str) -> None:
        """As an operator does."""
        self.running.pop(name).close()

    def kill(self, name: str) -> None:
        """It is gone at once, with no chance to tidy up."""
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if int(entry.name) != os.getpid() and str(self.folder / name) in (entry / "cmdline").read_text():
                    os.kill(int(entry.name), signal.SIGKILL)
        self.stop(name)


@contextmanager
def stores(servers: Servers) -> Iterator[tuple[CatalogStore, Vectors]]:
    """The catalogue and the vectors, as a job has them."""
    with (
        open_metadata(servers.metadata, Path("unused")) as metadata,
        open_vectors(servers.vectors, Path("unused")) as vectors,
    ):
        yield metadata.catalog("default"), vectors


def fill(servers: Servers, *collections: str) -> list[Generation]:
    """The pieces in a generation for each of the collections; the first one answers."""
    embedder = Embedder.load(threads=1)
    with stores(servers) as (catalog, vectors):
        catalog.register([SourceFile(uri(seed), "1", 1) for seed in PIECES], "run")
        stored = {
            work: embedder.embed(to_int16(piece(work.uri))).stored() for work in catalog.pending(embedder.checksum)
        }
        done = [Done(w.recording_id, len(s.segments), 1, ("a.parquet",), PIECE_S) for w, s in stored.items()]
        catalog.commit(embedder.checksum, done, [], "run")
        made = []
        for collection in collections:
            made.append(catalog.create_generation(collection, embedder.checksum, embedder.dim, "HNSW"))
            vectors.create(collection, embedder.dim)
            for work, one in stored.items():
                keys = np.array([vector_key(work.recording_id, int(segment)) for segment in one.segments], np.int64)
                vectors.upsert(collection, keys, one.vectors, one.peaks)
            vectors.flush(collection)
            counts = {work.recording_id: len(one.segments) for work, one in stored.items()}
            catalog.mark_loaded(made[-1].generation_id, counts)
            catalog.mark_ready(made[-1].generation_id)
        activate(made[0], catalog, vectors)
    return made


def uri(seed: int) -> str:
    return f"piece {seed}"


def piece(name: str) -> np.ndarray:
    return compose(int(name.removeprefix("piece ")), PIECE_S, SAMPLE_RATE)


def clips() -> list[Clip]:
    """Of every piece two, and one of each that nobody knows."""

    def cut(seed: int, start_s: float) -> bytes:
        first = round(start_s * SAMPLE_RATE)
        samples = piece(uri(seed))[first : first + round(CLIP_S * SAMPLE_RATE)]
        return encode(samples[None], SAMPLE_RATE, FORMATS["wav"])

    known = [Clip(cut(seed, start_s), uri(seed)) for seed in PIECES for start_s in (4.3, 17.9)]
    return [*known, *(Clip(cut(seed, 9.0), None) for seed in UNKNOWN)]


@dataclass
class Answering:
    """The running service."""

    url: str
    process: subprocess.Popen[str]
    servers: Servers
    generations: list[Generation]

    def kill_replica(self, name: str) -> None:
        """Of the deployment of this name."""
        os.kill(min(self.replicas(name)), signal.SIGKILL)

    def switch_to(self, generation: Generation) -> None:
        """As `action=promote` and `action=rollback` do; comes back when the service answers from it."""
        with stores(self.servers) as (catalog, vectors):
            activate(generation, catalog, vectors)
        with Client(self.url) as client:
            until(lambda: client.info()["collection"] == generation.collection)

    def roll(self, *options: str) -> None:
        """Deploy it anew; comes back when it is done."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(" ".join(options) + "\n")
        self.process.stdin.flush()
        assert ROLLED in (line.strip() for line in self.process.stdout)  # behind what Ray says of killed replicas

    def replicas(self, name: str) -> set[int]:
        """Process ids of those of a deployment."""
        title = f"ServeReplica:refrain:{name}"
        return {one.pid for one in descendants(self.process.pid) if title in command(one.pid)}

    def answered(self, clip: Clip) -> None:
        """Comes back when the clip is answered rightly."""
        with Client(self.url, retries=0) as client:
            until(lambda: found(client, clip) == clip.uri)


def found(client: Client, clip: Clip) -> str | None:
    matches = client.identify(clip.body)["matches"]
    return matches[0]["uri"] if matches else None


def command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


@contextmanager
def answering(folder: Path, *chosen: str) -> Iterator[Answering]:
    """From nothing to a service that is ready; `chosen` are options of its own."""
    servers = Servers(folder)
    with ExitStack() as opened:
        for name in ("mysql", "milvus"):
            servers.start(name)
            opened.callback(lambda name=name: servers.stop(name) if name in servers.running else None)
        generations = fill(servers, "first", "second")
        home, port, log = folder / "home", free_port(), folder / "serve.log"
        options = [f"home={home}", f"port={port}", "poll_s=0.3", "vectors.timeout_s=5", "metadata.timeout_s=5"]
        options.append("bounds.wait_s=15")  # how fast the machine is, is not the matter here
        options += ["vectors=milvus", f"vectors.uri={servers.vectors.uri}"]
        options += ["metadata=mysql", f"metadata.url={servers.metadata.url}", *chosen]
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.rolled", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=ROOT,
                env=environment(),
                text=True,
            )
        opened.enter_context(process)  # closes its pipes
        opened.callback(end, process)
        wait_until_ready(f"http://127.0.0.1:{port}", process, log, READY_WITHIN_S)
        assert process.stdout is not None and process.stdout.readline()
        yield Answering(f"http://127.0.0.1:{port}", process, servers, generations)
