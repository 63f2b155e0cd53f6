"""What a run would do and cost, before it does anything: counted, and measured on a few of the files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.catalog import Listing
from ingest.census import Census
from ingest.config import ComputeConfig, IngestConfig, Pools
from ingest.fingerprint.grid import EMBEDDING_DIM, SEGMENT_HOP_S
from ingest.fingerprint.peaks import PEAKS_A_SEGMENT
from ingest.measure import Measured, Rate
from ingest.progress import clock_time
from ingest.report import speed_x
from ingest.runs import latest_runs
from ingest.stores import PlanCounts, VectorsConfig

UNKNOWN_BYTES_PER_S = 16_000  # 128 kbit/s, where no header says
WORTH_MEASURING_S = 600  # of audio: in a shorter run the start outweighs the work
LAKE_BYTES_PER_SEGMENT = 2 * EMBEDDING_DIM + 2 * PEAKS_A_SEGMENT + 16  # float16, peaks, and the key


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
    index_bytes: int  # also what the vector store needs in memory to answer
    speed: Speed
    estimated_s: float
    gpu_hours: float | None  # None: no GPU asked for, or its speed not known
    pools: Pools | None  # that would keep each other busy; None: not measured
    measured: Measured | None

    def text(self) -> str:
        """The plan for people."""
        counts = self.counts
        lines = [
            f"listed       {counts.listed:,} files, {byte_size(self.size_bytes)}"
            + (f"; {self.skipped:,} others are not audio" if self.skipped else ""),
            f"             {counts.new:,} new · {counts.changed:,} changed · {counts.unchanged:,} unchanged"
            f" · {counts.removed:,} removed",
            *([f"             {counts.duplicates:,} listed again"] if counts.duplicates else []),
            *([f"unusable     {self.unusable:,} entries will be rejected"] if self.unusable else []),
        ]
        return "\n".join([*lines, *(self._work() if self.tracks_to_do else ["to do        nothing"])])

    def _work(self) -> Iterator[str]:
        yield (
            f"to do        {self.tracks_to_do:,} tracks, about {self.audio_hours:,.1f} h of audio"
            f" (from the headers of {self.headers_read} files)"
        )
        yield f"lake         about {byte_size(self.lake_bytes)}"
        yield f"index        about {byte_size(self.index_bytes)}, as much memory to answer from it"
        yield (
            f"time         about {clock_time(self.estimated_s)} at {self.speed.x_real_time:,.0f}× real time"
            f" ({self.speed.source})"
        )
        if self.gpu_hours is not None:
            yield f"GPU          about {self.gpu_hours:,.1f} GPU-hours"
        if found := self.measured:
            yield (
                f"measured     on {found.files} files, {found.audio_s:,.0f} s: reading and decoding"
                f" {1 / found.decode_s_per_s:,.0f}×, embedding {1 / found.embed_s_per_s:,.0f}× real time of one core"
            )
        if self.pools:
            yield (
                f"pools        compute.decode_actors={self.pools.decode_actors}"
                f" compute.embed_actors={self.pools.embed_actors} would keep each other busy"
            )


def make_plan(
    config: IngestConfig,
    listing: Listing,
    census: Census,
    counts: PlanCounts,
    left: int,
    rates: dict[str, Rate],
    measured: Measured | None = None,
) -> Plan:
    """The forecast for a listing that was read; `left` are registered files that no run has finished yet."""
    to_do = min(counts.new + counts.changed + left, listing.files)
    hours = sum(_seconds(kind.size_bytes, rates.get(name)) for name, kind in census.kinds.items()) / 3600
    hours *= to_do / listing.files if listing.files else 0.0
    segments = int(hours * 3600 / SEGMENT_HOP_S)
    speed = expected_speed(config, measured)
    gpu_speed = config.compute.plan_gpu_speed_x if config.compute.embed_gpus else None
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
        gpu_hours=hours / gpu_speed if gpu_speed else None,
        pools=suggested_pools(config.compute, measured) if measured else None,
        measured=measured,
    )


def expected_speed(config: IngestConfig, measured: Measured | None = None) -> Speed:
    """What the last run of this home reached, else what the sample says, else what `compute.plan_speed_x` does."""
    for run in latest_runs(config.home_root, config.catalog.name, 20):
        if run.record.state == "done" and run.record.audio_s > WORTH_MEASURING_S:
            return Speed(speed_x(run.record), f"as run {run.record.run_id}")
    cores = worker_cpus(config.compute)
    if measured:
        on_cpu_s = measured.decode_s_per_s + (0 if config.compute.embed_gpus else measured.embed_s_per_s)
        return Speed(cores / on_cpu_s, f"as measured, on {cores} cores")
    per_core = config.compute.plan_speed_x
    return Speed(per_core * cores, f"{per_core:g}× a core, {cores} cores; nothing was measured here yet")


def suggested_pools(compute: ComputeConfig, measured: Measured) -> Pools:
    """The CPUs shared out as the stages need them; with GPUs, as many decoders as one of them keeps up with."""
    cores = worker_cpus(compute)
    decode_s, embed_s = measured.decode_s_per_s, measured.embed_s_per_s
    if compute.embed_gpus:
        embedders = compute.pools.embed_actors
        decoders = math.ceil(embedders * compute.plan_gpu_speed_x * decode_s) if compute.plan_gpu_speed_x else cores
        return Pools(decoders, embedders)
    embedders = max(1, round(cores * embed_s / (decode_s + embed_s)))
    return Pools(max(1, cores - embedders), embedders)


def worker_cpus(compute: ComputeConfig) -> int:
    """CPUs that the work has: of this machine, or those that a cluster's pools ask for."""
    if compute.num_cpus or compute.address == "local":
        return compute.machine_cpus
    return max(1, round(compute.pool_cpus))


def index_bytes_per_vector(config: VectorsConfig) -> int:
    """Float32 vector, peaks and key; HNSW adds links, 2·M on the lowest layer (Malkov & Yashunin 2018, section 4.2.3).

    A quantised index (IVF_SQ8, IVF_PQ) is smaller than the vectors, which a server keeps beside it.
    """
    links = 4 * 2 * int(config.index_params.get("M", 16)) if config.index == "HNSW" else 0
    return 4 * EMBEDDING_DIM + 2 * PEAKS_A_SEGMENT + 8 + links


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


def _seconds(size_bytes: int, rate: Rate | None) -> float:
    return size_bytes * rate.duration_s / rate.size_bytes if rate else size_bytes / UNKNOWN_BYTES_PER_S
