"""The configuration of a job as plain dataclasses; every default lives in `conf/`, none here."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

from conf.events import LogsConfig
from ingest.stores import LakeConfig, MetadataConfig, VectorsConfig

Action = Literal[
    "plan", "run", "status", "report", "retry_failed", "reindex", "promote", "rollback", "prune", "delete", "restore"
]
OnRejects = Literal["exit5", "exit0"]


@dataclass
class CatalogConfig:
    """Where the music is listed (`kind`, `path`) and what the catalogue is called (`name`)."""

    kind: Literal["folder", "manifest", "s3"]
    path: str  # folder, manifest file or s3://bucket/prefix; taken literally
    name: str
    suffixes: list[str]  # folder and s3: what counts as audio, lower case, with the dot
    endpoint_url: str | None  # S3: None is Amazon's
    anonymous: bool  # S3: read without credentials


@dataclass
class AudioConfig:
    """What becomes of a file between its bytes and the encoder."""

    silence_dbfs: float  # positions below it have no vector
    window_s: float  # at most so much of one file in memory
    min_s: float  # shorter files are rejected
    max_hours: float  # longer files are rejected
    denoise: bool


@dataclass
class EncoderConfig:
    """Which network embeds."""

    weights: str | None  # a safetensors file; None: the weights that come with the package


@dataclass(frozen=True)
class Pools:
    """How many actors the two heavy stages have."""

    decode_actors: int
    embed_actors: int

    def by_stage(self) -> dict[str, int]:
        return {"decode": self.decode_actors, "embed": self.embed_actors}


@dataclass
class ComputeConfig:
    """Where the work runs and how much of it at once."""

    address: str  # `local`: a Ray of our own in this process's machine; else the address of a cluster
    grows: bool  # a cluster with an autoscaler: more nodes come when more is asked for
    shared_disk: bool  # of a cluster: every node sees home and folders under the same path
    num_cpus: int | None  # of the local Ray; None: all
    object_store_mb: int | None  # of the local Ray; None: Ray decides
    decode_actors: int | None  # None: one a CPU of this machine
    decode_cpus: float  # of each
    embed_actors: int | None  # None: one
    embed_cpus: float
    embed_gpus: float
    embed_batch: int  # windows in one call
    sink_windows: int  # windows in one lake file
    block_rows: int  # files in one Ray block
    wave_files: int  # files in one execution of the pipeline
    file_timeout_s: float  # a file that takes longer is rejected
    load_batch: int  # vectors handed to the vector store at once
    plan_speed_x: float  # × real time of one CPU: what `plan` reckons with where it cannot measure
    plan_gpu_speed_x: float | None  # × real time of one GPU; None: not known

    @property
    def machine_cpus(self) -> int:
        """CPUs of this machine, or as many of them as may be used."""
        return self.num_cpus or os.cpu_count() or 1

    @property
    def pools(self) -> Pools:
        """The pools of a run: as configured, or what stands for null."""
        return Pools(self.decode_actors or self.machine_cpus, self.embed_actors or 1)

    @property
    def pool_cpus(self) -> float:
        """CPUs that the pools ask for together."""
        return self.pools.decode_actors * self.decode_cpus + self.pools.embed_actors * self.embed_cpus

    @property
    def pool_gpus(self) -> float:
        """GPUs that the pools ask for together."""
        return self.pools.embed_actors * self.embed_gpus


@dataclass
class ProgressConfig:
    every_s: float  # between lines where there is no terminal


@dataclass
class DeleteConfig:
    """What `action=delete` takes out and `action=restore` lets in again; a run deletes what is `removed` if told."""

    track_ids: list[int]
    uris: list[str]
    removed: bool  # what the source no longer lists
    at_most: float  # share of the tracks that may go because they are not listed


@dataclass
class IngestConfig:
    """`python -m ingest`."""

    home: str
    action: Action
    force: bool  # embed all that is listed again
    on_rejects: OnRejects
    error_budget: float | None  # share of the files that may be rejected; None: any
    restarts: int  # of a job whose process dies
    delete: DeleteConfig
    catalog: CatalogConfig
    audio: AudioConfig
    encoder: EncoderConfig
    vectors: VectorsConfig
    metadata: MetadataConfig
    lake: LakeConfig
    compute: ComputeConfig
    progress: ProgressConfig
    logs: LogsConfig

    @property
    def home_is_local(self) -> bool:
        return "://" not in self.home

    @property
    def home_root(self) -> Path | str:
        """Where everything is written: an absolute path (`~` and `$` are letters like others), or a URL."""
        return self.home_dir if self.home_is_local else self.home.rstrip("/")

    @property
    def home_dir(self) -> Path:
        """The home as an absolute path, where SQLite, Milvus Lite and locks live; of a URL nothing is kept locally."""
        return Path(self.home).absolute() if self.home_is_local else Path(gettempdir())
