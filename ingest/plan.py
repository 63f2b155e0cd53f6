"""What a run would do and cost, before it does anything."""

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import av

from ingest.catalog import Listing, locate, open_file
from ingest.config import CatalogConfig, IngestConfig
from ingest.errors import InfrastructureError, MissingFile
from ingest.fingerprint.grid import EMBEDDING_DIM, SEGMENT_HOP_S
from ingest.progress import clock_time
from ingest.report import speed_x
from ingest.runs import latest_runs
from ingest.stores import PlanCounts, SourceFile, VectorsConfig

HEADERS_OPENED = 64  # files whose duration is read; the others are reckoned from their size
UNKNOWN_BYTES_PER_S = 16_000  # 128 kbit/s, where no header says
WORTH_MEASURING_S = 600  # of audio: in a shorter run the start outweighs the work
LAKE_BYTES_PER_SEGMENT = 2 * EMBEDDING_DIM + 16  # float16, and its key


@dataclass(frozen=True)
class Speed:
    """How fast audio is embedded, × real time, and where the figure is from."""

    x_real_time: float
    source: str


@dataclass(frozen=True)
class Plan:
    """A forecast; `tracks_to_do` are new, changed and left over from earlier runs."""

    counts: PlanCounts
    unusable: int
    skipped: int
    tracks_to_do: int
    size_bytes: int  # of all listed files
    audio_hours: float  # to do, estimated
    headers_read: int  # files that the estimate stands on
    lake_bytes: int
    index_bytes: int
    speed: Speed
    estimated_s: float

    def text(self) -> str:
        """The plan for people."""
        counts = self.counts
        lines = [
            f"listed       {counts.listed:,} files, {byte_size(self.size_bytes)}"
            + (f"; {self.skipped:,} others are not audio" if self.skipped else ""),
            f"             {counts.new:,} new · {counts.changed:,} changed · {counts.unchanged:,} unchanged"
            f" · {counts.removed:,} removed",
            *([f"unusable     {self.unusable:,} entries will be rejected"] if self.unusable else []),
            f"to do        {self.tracks_to_do:,} tracks, about {self.audio_hours:,.1f} h of audio"
            f" (from the headers of {self.headers_read} files)",
            f"lake         about {byte_size(self.lake_bytes)}",
            f"index        about {byte_size(self.index_bytes)}",
            f"time         about {clock_time(self.estimated_s)} at {self.speed.x_real_time:,.0f}× real time"
            f" ({self.speed.source})",
        ]
        return "\n".join(lines) if self.tracks_to_do else "\n".join([*lines[:-4], "to do        nothing"])


def make_plan(config: IngestConfig, listing: Listing, counts: PlanCounts, left: int, speed: Speed) -> Plan:
    """The forecast for a listing; `left` are registered files that no run has finished yet."""
    to_do = min(counts.new + counts.changed + left, len(listing.files))
    rates = bytes_per_second(config.catalog, listing.files)
    hours = sum(_seconds(file, rates) for file in listing.files) / 3600
    hours *= to_do / len(listing.files) if listing.files else 0.0
    segments = int(hours * 3600 / SEGMENT_HOP_S)
    return Plan(
        counts=counts,
        unusable=len(listing.unusable),
        skipped=listing.skipped,
        tracks_to_do=to_do,
        size_bytes=listing.size_bytes,
        audio_hours=hours,
        headers_read=sum(rate.files for rate in rates.values()),
        lake_bytes=segments * LAKE_BYTES_PER_SEGMENT,
        index_bytes=segments * index_bytes_per_vector(config.vectors),
        speed=speed,
        estimated_s=hours * 3600 / speed.x_real_time,
    )


@dataclass
class Rate:
    """What the headers of some files of one suffix add up to."""

    files: int = 0
    size_bytes: int = 0
    duration_s: float = 0.0


def bytes_per_second(config: CatalogConfig, files: list[SourceFile]) -> dict[str, Rate]:
    """Size and duration of a few files of every suffix, spread evenly over the listing."""
    by_suffix: dict[str, list[SourceFile]] = defaultdict(list)
    for file in files:
        by_suffix[_suffix(file)].append(file)
    rates: dict[str, Rate] = defaultdict(Rate)
    for suffix, alike in by_suffix.items():
        share = max(1, HEADERS_OPENED // len(by_suffix))
        for file in _spread(alike, share):
            duration_s = header_duration_s(config, file.uri)
            if duration_s:
                rate = rates[suffix]
                rate.files += 1
                rate.size_bytes += file.size_bytes
                rate.duration_s += duration_s
    return rates


def header_duration_s(config: CatalogConfig, uri: str) -> float | None:
    """The duration that a file's header claims; None if it has none or cannot be opened."""
    try:
        with open_file(config, locate(config, uri)) as file, av.open(file, mode="r") as container:
            return container.duration / av.time_base if container.duration else None
    except (av.FFmpegError, MissingFile, InfrastructureError, OSError, ValueError):
        return None


def expected_speed(config: IngestConfig) -> Speed:
    """What the last run of this home measured, or before the first what `compute.plan_speed_x` says."""
    for run in latest_runs(config.home_dir, config.catalog.name, 20):
        if run.record.state == "done" and run.record.audio_s > WORTH_MEASURING_S:
            return Speed(speed_x(run.record), f"as run {run.record.run_id}")
    cores = config.compute.num_cpus or (os.cpu_count() or 1 if config.compute.address == "local" else 1)
    per_core = config.compute.plan_speed_x
    return Speed(per_core * cores, f"{per_core:g}× a core, {cores} cores; nothing was measured here yet")


def index_bytes_per_vector(config: VectorsConfig) -> int:
    """Float32 vector and key; HNSW adds links, 2·M on the lowest layer (Malkov & Yashunin 2018, section 4.2.3)."""
    links = 4 * 2 * int(config.index_params.get("M", 16)) if config.index == "HNSW" else 0
    return 4 * EMBEDDING_DIM + 8 + links


def byte_size(size: float) -> str:
    """Bytes for people.

    >>> byte_size(999), byte_size(1_500_000)
    ('999 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} B" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError("TB takes every size")


def _seconds(file: SourceFile, rates: dict[str, Rate]) -> float:
    rate = rates.get(_suffix(file))
    return file.size_bytes * rate.duration_s / rate.size_bytes if rate else file.size_bytes / UNKNOWN_BYTES_PER_S


def _spread(files: list[SourceFile], share: int) -> Iterable[SourceFile]:
    step = max(1, len(files) // share)
    return files[::step][:share]


def _suffix(file: SourceFile) -> str:
    return PurePosixPath(file.uri).suffix.lower()
