"""A run's directory, `home/runs/<run_id>/`: what was asked, with what, how long it took and what came of it.

config.yaml   the resolved configuration, secrets masked
report.json   the record below, always whole: written to the side and renamed
manifest.parquet   what the run set out to embed
same_audio.csv   files that hold the same samples, beside each other
removed.csv   id and uri of every track that the source no longer lists and that was not deleted before
rejects.csv   uri, code, reason of every file of the listing that stands rejected
report.txt, report.html   the record for people (`ingest.report`)
"""

import csv
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import node, python_version
from typing import Any, Literal, NamedTuple

import yaml
from opentelemetry import trace

from conf import masked
from conf.events import events
from ingest.config import IngestConfig
from ingest.errors import InfrastructureError
from ingest.flow import shares
from ingest.rows import write_manifest
from ingest.stores import Work, new_run_id
from ingest.stores.files import StoredFiles

State = Literal["running", "done", "failed", "stopped", "interrupted"]
REPORTED_PACKAGES = (
    "refrain",
    "ray",
    "torch",
    "torchaudio",
    "av",
    "numpy",
    "pyarrow",
    "pymilvus",
    "sqlalchemy",
)
SHOWN_REJECTS = 20  # in a report

log = events(__name__)
tracer = trace.get_tracer(__name__)

# Upper edges of the duration histogram; the last bin is open.
DURATION_EDGES_S = (5, 10, 30, 60, 120, 180, 240, 300, 420, 600, 900, 1800, 3600, 7200)


class RejectLine(NamedTuple):
    """One file that is not in the catalogue, and why."""

    uri: str
    code: str
    reason: str


class Sample(NamedTuple):
    """How far the run was `elapsed_s` after its start."""

    elapsed_s: float
    tracks: int
    audio_s: float


@dataclass
class Counts:
    """Files of this run, by what became of them."""

    listed: int = 0  # by the source, entries that cannot be used included
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0  # vanished since the last listing
    gone: int = 0  # vanished then or earlier, and not deleted before this run
    skipped: int = 0  # listed by the source, but not audio by their suffix
    done: int = 0  # embedded by this run
    rejected: int = 0  # files of the listing that stand rejected, by this run or an earlier one
    same_audio: int = 0  # files that hold the same samples as another one
    deleted: int = 0  # tracks taken out by this run
    published: int = 0  # tracks whose answer changed with this run
    segments: int = 0  # vectors written by this run
    loaded_early: int = 0  # vectors loaded while it was still embedding


@dataclass
class RunRecord:
    """Everything a report is made of; JSON in, JSON out."""

    run_id: str
    catalog: str
    action: str
    state: State
    started_at: float  # Unix seconds
    host: str
    pid: int
    config: dict[str, Any]
    versions: dict[str, str]
    ended_at: float | None = None
    model_checksum: str | None = None
    counts: Counts = field(default_factory=Counts)
    audio_s: float = 0.0  # embedded by this run
    stages_s: dict[str, float] = field(default_factory=dict)
    busy_s: dict[str, float] = field(default_factory=dict)  # that all actors of a stage worked
    actors: dict[str, int] = field(default_factory=dict)
    verified: dict[str, float] = field(default_factory=dict)  # what the last verification of a collection found
    samples: list[Sample] = field(default_factory=list)
    durations: list[int] = field(default_factory=lambda: [0] * (len(DURATION_EDGES_S) + 1))
    reject_codes: dict[str, int] = field(default_factory=dict)
    first_rejects: list[RejectLine] = field(default_factory=list)  # the rest are in rejects.csv
    message: str | None = None  # why it failed or stopped

    @property
    def elapsed_s(self) -> float:
        return (self.ended_at or time.time()) - self.started_at

    def utilisation(self) -> dict[str, float]:
        """Share of the time of embedding that the actors of each stage worked; of what was measured."""
        return shares(self.busy_s, self.actors, self.stages_s.get("embed", 0.0))

    def add_duration(self, duration_s: float) -> None:
        """Count one embedded file in the histogram of durations."""
        place = sum(duration_s >= edge for edge in DURATION_EDGES_S)
        self.durations[place] += 1

    @classmethod
    def from_json(cls, text: str) -> "RunRecord":
        """The record of a report.json, also of another version: what is not known is left out."""
        values = _known(cls, json.loads(text))
        values["counts"] = Counts(**_known(Counts, values.get("counts", {})))
        values["samples"] = [Sample(*sample) for sample in values.get("samples", [])]
        values["first_rejects"] = [RejectLine(*reject) for reject in values.get("first_rejects", [])]
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


class Run:
    """A run in its directory: the record, saved whenever a stage ends."""

    def __init__(self, files: StoredFiles, record: RunRecord) -> None:
        self.files = files
        self.record = record

    @classmethod
    def start(cls, home: Path | str, config: IngestConfig) -> "Run":
        """A new directory under `home/runs`, with the configuration and a record that says `running`."""
        started = time.time()
        run_id = new_run_id(started)
        record = RunRecord(
            run_id=run_id,
            catalog=config.catalog.name,
            action=config.action,
            state="running",
            started_at=started,
            host=node(),
            pid=os.getpid(),
            config=masked(config),
            versions=versions(),
        )
        run = cls(runs_of(home).below(run_id), record)
        run.write("config.yaml", yaml.safe_dump(record.config, sort_keys=False))
        run.save()
        return run

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside under a name; repeated names add up."""
        started = time.monotonic()
        try:
            with tracer.start_as_current_span(name):
                yield
        finally:
            elapsed_s = time.monotonic() - started
            self.record.stages_s[name] = self.record.stages_s.get(name, 0.0) + elapsed_s
            self.save()
            log.info("stage ended", stage=name, elapsed_s=round(elapsed_s, 3))

    def set_rejects(self, rejects: Iterable[RejectLine]) -> None:
        """Write rejects.csv and count it by code."""
        codes: Counter[str] = Counter()
        first: list[RejectLine] = []

        def counted() -> Iterator[RejectLine]:
            for reject in rejects:
                codes[reject.code] += 1
                if len(first) < SHOWN_REJECTS:
                    first.append(reject)
                yield reject

        self._write_csv("rejects.csv", RejectLine._fields, counted())
        self.record.reject_codes = dict(codes.most_common())
        self.record.counts.rejected = codes.total()
        self.record.first_rejects = first

    def set_same_audio(self, files: Iterable[tuple[str, str]]) -> None:
        """Write same_audio.csv: files with the same samples stand beside each other."""
        self.record.counts.same_audio = self._write_csv("same_audio.csv", ("content_hash", "uri"), files)

    def set_removed(self, tracks: Iterable[tuple[int, str]]) -> None:
        """Write removed.csv: what the source no longer lists."""
        self.record.counts.gone = self._write_csv("removed.csv", ("track_id", "uri"), tracks)

    def finish(self, state: State, message: str | None = None) -> None:
        """Close the record; the reports are written from it by `ingest.report.write_reports`."""
        self.record.state = state
        self.record.message = message
        self.record.ended_at = time.time()
        self.save()

    def save(self) -> None:
        self.write("report.json", self.record.to_json() + "\n")

    def write(self, name: str, text: str) -> None:
        """A text file of the directory: a reader sees the old content or the new one, never a part."""
        self.files.write(name, text.encode("utf-8", "backslashreplace"))

    def put_manifest(self, work: Iterable[Work]) -> int:
        """Write manifest.parquet, what the run sets out to do; how many files that are."""
        with self.files.writing("manifest.parquet") as local:
            return write_manifest(work, local)

    def _write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
        """Rows as they come, of which there may be many; how many."""
        written = 0
        with (
            self.files.writing(name) as local,
            local.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            table = csv.writer(file)
            table.writerow(header)
            for row in rows:
                table.writerow(row)
                written += 1
        return written


def versions() -> dict[str, str]:
    """Python and the packages whose version can change a result."""
    found = {"python": python_version()}
    for package in REPORTED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def runs_of(home: Path | str) -> StoredFiles:
    """The runs of a home, a folder each."""
    return StoredFiles.open(home, InfrastructureError).below("runs")


def read_run(files: StoredFiles) -> Run:
    """The run in a directory; one that was killed says `interrupted`, not `running`."""
    record = RunRecord.from_json(files.read("report.json").decode())
    if record.state == "running" and record.host == node() and not _alive(record.pid):
        record.state = "interrupted"
    return Run(files, record)


def latest_runs(home: Path | str, catalog: str, limit: int) -> list[Run]:
    """The newest runs of a catalogue, newest first."""
    runs = runs_of(home)
    found: list[Run] = []
    for run_id in reversed(runs.folders()):
        files = runs.below(run_id)
        if not files.exists("report.json"):
            continue
        run = read_run(files)
        if run.record.catalog == catalog:
            found.append(run)
        if len(found) == limit:
            break
    return found


def _known(record: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    names = {entry.name for entry in fields(record)}
    return {name: value for name, value in values.items() if name in names}


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() if Path("/proc/self").exists() else True
