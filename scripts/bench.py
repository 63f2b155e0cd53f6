"""`python -m scripts.bench music=FOLDER`: what each step of embedding costs, side by side in one run.

Every row is CPU time of one thread a second of audio. The rows take turns over several rounds, so that a machine that
changes its pace in between changes it for all of them; the table shows medians and the ratio to decoding alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from conf import compose
from ingest.errors import RefrainError
from ingest.fingerprint import SAMPLE_RATE, Embedder, decode
from ingest.fingerprint.embedder import CHUNK_CELLS
from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.pcm import to_float
from ingest.training.corpus import folder_audio
from scripts.document import write_section
from scripts.music.catalog import catalog, write_songs

TITLE = "Speed of embedding"
PRECISIONS = {True: "bf16", False: "fp32"}
PEER = "fpcalc"  # Chromaprint, Debian's libchromaprint-tools


@dataclass
class BenchConfig:
    """See conf/bench.yaml."""

    music: str | None
    files: int
    rounds: int
    write: bool


@dataclass(frozen=True)
class Row:
    """A way of working through all the files; `run` returns CPU seconds."""

    name: str
    run: Callable[[], float]


def main(arguments: Sequence[str]) -> int:
    try:
        config = compose("bench", arguments, BenchConfig)
    except RefrainError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        paths = _files(config, Path(folder))
        report = _report(config, paths)
    print(report)
    if config.write:
        chosen = f"python -m scripts.bench music=… files={config.files} write=true"
        write_section(TITLE, chosen if config.music else "make bench", report)
    return 0


def _files(config: BenchConfig, folder: Path) -> list[Path]:
    if config.music:
        found = folder_audio(Path(config.music))
        return found[:: max(1, len(found) // config.files)][: config.files]
    return list(write_songs(folder, catalog(seed=1, songs=config.files)))


def _report(config: BenchConfig, paths: Sequence[Path]) -> str:
    waves = [decode(path).samples for path in paths]
    audio_s = sum(map(len, waves)) / SAMPLE_RATE
    rows = _rows(paths, waves)
    spent: dict[str, list[float]] = {row.name: [] for row in rows}
    for number in range(config.rounds):
        for row in rows:
            spent[row.name].append(row.run())
        print(f"round {number + 1} of {config.rounds}", file=sys.stderr, flush=True)
    return _table(spent, audio_s, len(paths), config.rounds)


def _rows(paths: Sequence[Path], waves: Sequence[np.ndarray]) -> list[Row]:
    embedder = Embedder.load(threads=1)
    encoder = embedder.encoder
    chunk = CHUNK_CELLS * EMBEDDING_HOP
    samples = [
        torch.from_numpy(to_float(wave[start : start + chunk]))[None]
        for wave in waves
        for start in range(0, len(wave), chunk)
        if len(wave) - start > sum(encoder.config.padding)
    ]
    with torch.inference_mode():
        bands = [encoder.front_end(part) for part in samples]
    rows = [
        Row("decode to 8 kHz mono (the limit)", _of_each(decode, paths)),
        Row("front end", _of_each(torch.inference_mode()(encoder.front_end), samples)),
        Row(f"network, {PRECISIONS[embedder.bf16]}", _of_each(_network(embedder), bands)),
        Row("front end + network", _of_each(_encoder(embedder), samples)),
        Row("… and spectral peaks: as embedded", _of_each(embedder.embed, waves)),
        Row("decode + embed", _of_each(lambda path: embedder.embed(decode(path).samples), paths)),
    ]
    if shutil.which(PEER):
        rows.append(Row("peer: Chromaprint's fpcalc, decoding included", lambda: _peer(paths)))
    else:
        print(f"bench: no {PEER} (Debian's libchromaprint-tools): the row of the peer is left out", file=sys.stderr)
    return rows


def _network(embedder: Embedder) -> Callable[[torch.Tensor], object]:
    """At the precision that it embeds with."""

    def run(bands: torch.Tensor) -> object:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=embedder.bf16):
            return embedder.encoder.network(bands)

    return run


def _encoder(embedder: Embedder) -> Callable[[torch.Tensor], object]:
    network, front_end = _network(embedder), torch.inference_mode()(embedder.encoder.front_end)
    return lambda samples: network(front_end(samples))


def _of_each(work: Callable[[Any], object], items: Sequence[object]) -> Callable[[], float]:
    def run() -> float:
        started = time.process_time()
        for item in items:
            work(item)
        return time.process_time() - started

    return run


def _peer(paths: Sequence[Path]) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    for path in paths:
        _fingerprinted(path)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _fingerprinted(path: Path) -> None:
    """fpcalc exits with 3 at the end of some files, after it has answered."""
    answer = subprocess.run([PEER, "-length", "0", str(path)], check=False, capture_output=True, text=True)
    if "FINGERPRINT=" not in answer.stdout:
        raise RuntimeError(f"{PEER} {path}: {answer.stderr.strip()}")


def _table(spent: dict[str, list[float]], audio_s: float, files: int, rounds: int) -> str:
    limit = spent[next(iter(spent))]
    lines = [
        f"{files} files, {audio_s / 60:.0f} minutes of audio, one thread, median of {rounds} rounds in turn.",
        "",
        "| | CPU ms a second of audio | × real time | against decoding |",
        "|---|---|---|---|",
    ]
    for name, seconds in spent.items():
        ratio = median(own / other for own, other in zip(seconds, limit, strict=True))
        middle = median(seconds)
        lines.append(f"| {name} | {1000 * middle / audio_s:.3f} | {audio_s / middle:,.0f} | {ratio:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
