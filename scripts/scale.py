"""`python -m scripts.scale`: what listing, planning and committing so many files costs the driver, in time and memory.

Each row is a process of its own: files of no content are listed, registered, committed as done, and then listed again,
which is what a run does that finds nothing to do. No audio is read; both databases are real.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from conf import compose
from ingest.rows import write_manifest
from ingest.stores import CatalogStore, Done, MetadataConfig, SourceFile, open_metadata
from scripts.document import write_section
from scripts.entry import exit_code
from scripts.services import mariadb

TITLE = "Planning at scale"
ENCODER = "e" * 64
COMMITTED_AT_ONCE = 1_000
POOL_MB = 1024  # of MariaDB: what a million files come to should lie in memory, as on a server of its own
ONE = "--one"


@dataclass
class ScaleConfig:
    """See conf/scale.yaml."""

    sizes: list[int]
    stores: list[str]
    write: bool


@dataclass(frozen=True)
class Cost:
    """Seconds of each step, and the most memory that the process held."""

    store: str
    files: int
    register_s: float
    manifest_s: float
    commit_s: float
    nothing_to_do_s: float
    memory_mb: float


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == [ONE]:
        print(json.dumps(asdict(measure(*arguments[1:]))))
        return 0
    return exit_code("scale", lambda: _run(compose("scale", arguments, ScaleConfig)))


def _run(config: ScaleConfig) -> None:
    costs: list[Cost] = []
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="refrain-scale-")))
        server = (
            opened.enter_context(mariadb(folder / "mysql", buffer_pool_mb=POOL_MB)) if "mysql" in config.stores else ""
        )
        for store in config.stores:
            for files in config.sizes:
                url = f"{server}/scale_{files}" if store == "mysql" else ""
                command = [sys.executable, "-m", "scripts.scale", ONE, store, str(files), str(folder), url]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                costs.append(Cost(**json.loads(done.stdout)))
                print(f"{store} {files:,}: {costs[-1]}", file=sys.stderr)
    body = table(costs)
    print(body)
    if config.write:
        write_section(TITLE, "python -m scripts.scale write=true", body)


def measure(store: str, files: str, folder: str, url: str) -> Cost:
    """One row; `url` is the database of MySQL, which is made."""
    count = int(files)
    home = Path(folder) / f"{store}-{count}"
    config = MetadataConfig("mysql", url) if url else MetadataConfig()
    with open_metadata(config, home) as metadata:
        catalog = metadata.catalog()
        home.mkdir(exist_ok=True)
        steps: list[Callable[[], object]] = [
            lambda: catalog.register(listing(count), "run"),
            lambda: write_manifest(catalog.pending(ENCODER), home / "manifest.parquet"),
            lambda: commit_all(catalog),
            lambda: (catalog.register(listing(count), "again"), next(catalog.pending(ENCODER), None)),
        ]
        register_s, manifest_s, commit_s, again_s = (_timed(step) for step in steps)
    return Cost(store, count, register_s, manifest_s, commit_s, again_s, peak_memory_mb())


def peak_memory_mb() -> float:
    """Of this process since its program began; what getrusage says may be its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def listing(count: int) -> Iterator[SourceFile]:
    """So many files, made as they are asked for."""
    return (SourceFile(f"s3://music/{n % 997:03}/track {n:08}.mp3", f"etag-{n:032x}", 4_000_000) for n in range(count))


def commit_all(catalog: CatalogStore) -> None:
    """Every pending file as done, as the pipeline would report it."""
    pending = catalog.pending(ENCODER)
    while works := list(islice(pending, COMMITTED_AT_ONCE)):
        file = f"{works[0].recording_id:064x}.parquet"
        done = [Done(work.recording_id, 470, 1, (file,), 240.0) for work in works]
        catalog.commit(ENCODER, done, [], "run")


def table(costs: Sequence[Cost]) -> str:
    """As Markdown."""
    head = [
        "store",
        "files",
        "list and register",
        "manifest",
        "commit all",
        "run again: nothing to do",
        "driver memory",
    ]
    rows = [
        [
            cost.store,
            f"{cost.files:,}",
            *(f"{seconds:,.1f} s" for seconds in (cost.register_s, cost.manifest_s, cost.commit_s)),
            f"{cost.nothing_to_do_s:,.1f} s",
            f"{cost.memory_mb:,.0f} MB",
        ]
        for cost in costs
    ]
    lines = [" | ".join(cells) for cells in (head, ["---", *["---:"] * 6], *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _timed(step: Callable[[], object]) -> float:
    started = time.monotonic()
    step()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
