"""`python -m scripts.throughput`: what a whole ingestion job costs, in CPU seconds of all its processes.

A job over little audio and one over more, both from nothing: their difference is what an hour of audio costs, the rest
is what starting costs. Beside it, in the same run, what decoding the same files alone takes; what an hour costs as
catalogues grow; and how much memory the actors take with one very long file. The music is composed once and linked
under many names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from conf import compose
from ingest.errors import InfrastructureError
from ingest.fingerprint import decode
from scripts.document import write_section
from scripts.entry import exit_code
from scripts.footprint import Processes
from scripts.music import compose as compose_piece
from scripts.music.files import FORMATS, Tags, write
from serve.process_tree import adopt_orphans, below

TITLE = "Throughput of a whole job"
ONE = "--one"
RATE = 22_050
LOOK_S = 0.1
PIECES, PIECE_S, FILE_S = 6, 60.0, 300.0
STAGES = {"DecodeFiles": "decode", "EmbedWindows": "embed", "WriteLake": "lake"}  # as Ray titles the actors


@dataclass
class ThroughputConfig:
    """See conf/throughput.yaml."""

    hours: list[float]
    forms: list[str]
    one_core: bool
    growing: list[float]
    files: list[float]
    write: bool


@dataclass(frozen=True)
class Job:
    """A job from start to end: CPU seconds of all its processes, and the clock on the wall; `load_s` of it loading.

    `peak_mb` is the most memory of its own, beside what all share, that an actor of each stage had.
    """

    hours: float
    cpu_s: float
    wall_s: float
    load_s: float
    peak_mb: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Marginal:
    """What lies between two jobs, an hour of audio each."""

    form: str
    cores: int
    cpu_s_an_hour: float
    wall_s_an_hour: float
    start_cpu_s: float
    load_s: float  # of the larger job
    decode_s_an_hour: float  # in one process, nothing else

    @property
    def x_real_time(self) -> float:
        """Seconds of audio in one CPU second."""
        return 3_600 / self.cpu_s_an_hour

    @property
    def of_decoding(self) -> float:
        """The rate of decoding alone that the whole job reaches."""
        return self.decode_s_an_hour / self.cpu_s_an_hour


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == [ONE]:
        print(json.dumps(asdict(run_job(Path(arguments[1]), Path(arguments[2]), float(arguments[3])))))
        return 0
    return exit_code("throughput", lambda: _run(compose("throughput", arguments, ThroughputConfig), arguments))


def _run(config: ThroughputConfig, arguments: Sequence[str]) -> None:
    found: list[Marginal] = []
    with TemporaryDirectory(prefix="refrain-throughput-") as name:
        folder = Path(name)
        jobs = Jobs(folder, {form: write_sources(folder / form, form) for form in config.forms})
        for form in config.forms:
            decode_s = decoding_s_an_hour(jobs.sources[form])
            for cores in [1, 2] if config.one_core and form == config.forms[0] else [2]:
                done = [jobs.over(form, hours, cores) for hours in config.hours]
                found.append(marginal(form, cores, done, decode_s))
                print(found[-1], file=sys.stderr)
        grown = [jobs.over(config.forms[0], hours) for hours in config.growing]
        long = [_measured(folder, [long_file(folder / f"{hours}.wav", hours)]) for hours in config.files]
    body = "\n".join([table(found, config.hours), *growth(grown), *memory(config.files, long)])
    print(body)
    if config.write:
        write_section(TITLE, " ".join(["python -m scripts.throughput", *arguments]), body)


@dataclass
class Jobs:
    """Jobs over the sources of each form, each run once."""

    folder: Path
    sources: dict[str, list[Path]]
    done: dict[tuple[str, float, int], Job] = field(default_factory=dict)

    def over(self, form: str, hours: float, cores: int = 2) -> Job:
        key = form, hours, cores
        if key not in self.done:
            self.done[key] = _measured(self.folder, self.sources[form], hours, cores)
        return self.done[key]


def write_sources(folder: Path, form: str) -> list[Path]:
    """Files of `FILE_S` seconds, each of the same pieces in another order."""
    folder.mkdir(parents=True)
    pieces = [compose_piece(seed, PIECE_S, RATE) for seed in range(PIECES)]
    repeats = round(FILE_S / PIECE_S / PIECES) or 1
    paths = []
    for number in range(PIECES):
        order = [pieces[(number + k * (number % 2 + 1)) % PIECES] for k in range(PIECES * repeats)]
        samples = np.concatenate(order)[: round(FILE_S * RATE)]
        path = folder / f"{number}{FORMATS[form].suffix}"
        channels = FORMATS[form].channels or 1
        write(path, np.repeat(samples[None], channels, axis=0), RATE, Tags("T", "A", "B", ""), FORMATS[form])
        paths.append(path)
    return paths


def long_file(path: Path, hours: float) -> Path:
    """One WAV file of so many hours, a piece again and again."""
    samples = (compose_piece(PIECES, PIECE_S, RATE) * 32_000).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for _ in range(round(hours * 3_600 / PIECE_S)):
            file.writeframes(samples)
    return path


def decoding_s_an_hour(sources: Sequence[Path]) -> float:
    """CPU seconds of this process that decoding an hour of the files takes, and nothing else."""
    started, audio_s = time.process_time(), 0.0
    for path in sources:
        audio_s += decode(path).duration_s
    return (time.process_time() - started) / audio_s * 3_600


def run_job(home: Path, music: Path, hours: float) -> Job:
    """In a process of its own. Ray does not wait for its workers, so that no parent ever hears what they used: the
    times of all processes below this one are looked at again and again, and the last look counts.
    """
    adopt_orphans()
    used: dict[tuple[int, int], float] = {}
    peaks: dict[str, float] = {}
    started = time.monotonic()
    command = [sys.executable, "-m", "ingest", f"home={home}", "catalog=folder", f"catalog.path={music}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
        while job.poll() is None:
            used.update(cpu_below(os.getpid()))
            for stage, now_mb in memory_below(os.getpid()):
                peaks[stage] = max(now_mb, peaks.get(stage, 0.0))
            time.sleep(LOOK_S)
        wall_s = time.monotonic() - started
    if job.returncode:
        raise InfrastructureError(f"the job ended with {job.returncode}")
    report = json.loads(next((home / "runs").glob("*/report.json")).read_text())
    loading = sum(report["stages_s"].get(stage, 0.0) for stage in ("load", "verify", "publish"))
    return Job(hours, sum(used.values()), wall_s, loading, peaks)


def cpu_below(pid: int) -> dict[tuple[int, int], float]:
    """CPU seconds so far of every process below `pid`, by its number and when it began."""
    return {(process.pid, process.started): process.cpu_s for process in below(pid)}


def memory_below(pid: int) -> Iterator[tuple[str, float]]:
    """MB of its own of every actor of a stage below `pid`."""
    for process in below(pid):
        with suppress(OSError, StopIteration):
            title = Path("/proc", str(process.pid), "cmdline").read_text(errors="replace")
            stage = next(stage for actor, stage in STAGES.items() if actor in title)
            private, _ = Processes((process.pid,)).memory()
            yield stage, private / 1e6


def marginal(form: str, cores: int, jobs: Sequence[Job], decode_s: float) -> Marginal:
    """Between the first and the last job."""
    small, large = jobs[0], jobs[-1]
    hours = large.hours - small.hours
    cpu_s = (large.cpu_s - small.cpu_s) / hours
    wall_s = (large.wall_s - small.wall_s) / hours
    return Marginal(form, cores, cpu_s, wall_s, small.cpu_s - cpu_s * small.hours, large.load_s, decode_s)


def table(found: Sequence[Marginal], hours: Sequence[float]) -> str:
    """As Markdown."""
    head = (
        "| form | cores | × real time a CPU-second | of decoding alone | × real time on the clock | start-up, CPU s |"
        " load, verify, publish, s |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    rows = [
        f"| {one.form} | {one.cores} | {one.x_real_time:,.0f} | {one.of_decoding:.0%}"
        f" | {3_600 / one.wall_s_an_hour:,.0f} | {one.start_cpu_s:,.0f} | {one.load_s:,.1f} |"
        for one in found
    ]
    notes = [f"Marginal cost of an hour of audio, from jobs over {hours[0]:g} h and {hours[-1]:g} h."]
    by_cores = {one.cores: one for one in found if one.form == found[0].form}
    if len(by_cores) == 2:
        gain = by_cores[1].wall_s_an_hour / by_cores[2].wall_s_an_hour
        notes.append(f"Two cores are {gain:.2f} times as fast on the clock as one.")
    return "\n".join([head, *rows, "", *notes])


def growth(jobs: Sequence[Job]) -> list[str]:
    """As Markdown: what an hour costs between one size and the next."""
    if len(jobs) < 2:
        return []
    head = ["", "| hours of audio | CPU s of the job | CPU s an hour, since the row above |", "|---:|---:|---:|"]
    first = f"| {jobs[0].hours:g} | {jobs[0].cpu_s:,.0f} | |"
    return [*head, first] + [
        f"| {more.hours:g} | {more.cpu_s:,.0f} | {(more.cpu_s - less.cpu_s) / (more.hours - less.hours):.2f} |"
        for less, more in pairwise(jobs)
    ]


def memory(hours: Sequence[float], jobs: Sequence[Job]) -> list[str]:
    """As Markdown: MB of an actor of each stage, with one file of so many hours."""
    stages = STAGES.values()
    head = [f"| a file of | {' | '.join(f'{stage}, MB' for stage in stages)} |", f"|---:|{'---:|' * len(STAGES)}"]
    rows = [
        f"| {file_hours:g} h | {' | '.join(f'{job.peak_mb.get(stage, 0):,.0f}' for stage in stages)} |"
        for file_hours, job in zip(hours, jobs, strict=True)
    ]
    return ["", *head, *rows] if rows else []


def _measured(folder: Path, sources: Sequence[Path], hours: float | None = None, cores: int = 2) -> Job:
    """A job over so many hours of the sources, or over each of them once."""
    with TemporaryDirectory(dir=folder) as name:
        music = Path(name) / "music"
        music.mkdir()
        for target, source in _links(music, sources, hours):
            target.hardlink_to(source)
        only = ["taskset", "--cpu-list", "0"] if cores == 1 else []
        command = [*only, sys.executable, "-m", "scripts.throughput", ONE, f"{name}/home", str(music), str(hours or 0)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise InfrastructureError(f"the job over {hours or sources} failed")
        return Job(**json.loads(done.stdout))


def _links(music: Path, sources: Sequence[Path], hours: float | None) -> Iterator[tuple[Path, Path]]:
    files = len(sources) if hours is None else round(hours * 3_600 / FILE_S)
    for number in range(files):
        source = sources[number % len(sources)]
        yield music / f"{number:05}{source.suffix}", source


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
