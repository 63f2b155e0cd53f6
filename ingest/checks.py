"""What no type can say about a configuration: checked once, before the job starts."""

import os
from pathlib import Path

from ingest.catalog import check_source
from ingest.config import IngestConfig
from ingest.errors import ConfigurationError
from ingest.stores.config import check_catalog_name

EMBEDS = ("run", "retry_failed")  # with Ray
READS_THE_SOURCE = ("plan", *EMBEDS)

# option: lowest and highest value that makes sense; None where the option may be null
RANGES = {
    "error_budget": (0.0, 1.0),
    "restarts": (0, 100),
    "delete.at_most": (0.0, 1.0),
    "audio.silence_dbfs": (-120.0, 0.0),
    "audio.window_s": (10.0, 3600.0),
    "audio.min_s": (0.1, 3600.0),
    "audio.max_hours": (0.01, 100.0),
    "compute.num_cpus": (1, 4096),
    "compute.object_store_mb": (80, 1 << 24),  # Ray refuses less than 75 MiB
    "compute.decode_actors": (1, 100_000),
    "compute.decode_cpus": (0.01, 64),
    "compute.embed_actors": (1, 100_000),
    "compute.embed_cpus": (0.0, 64),
    "compute.embed_gpus": (0.0, 8),
    "compute.embed_batch": (1, 100_000),
    "compute.sink_windows": (1, 1_000_000),
    "compute.block_rows": (1, 1_000_000),
    "compute.wave_files": (1, 10_000_000),
    "compute.file_timeout_s": (1, 1e6),
    "compute.load_batch": (1, 10_000_000),
    "compute.plan_speed_x": (0.1, 1e6),
    "compute.plan_gpu_speed_x": (0.1, 1e7),
    "progress.every_s": (0.1, 86_400),
}


def check(config: IngestConfig) -> None:
    """Raises ConfigurationError for a value that cannot work, naming the option; makes the home if need be."""
    check_catalog_name(config.catalog.name)
    _check_remote_home(config)
    for option, (low, high) in RANGES.items():
        _check_range(config, option, low, high)
    weights = config.encoder.weights
    if weights is not None and not Path(weights).is_file():
        raise ConfigurationError(f"encoder.weights: there is no file {weights!r}")
    if config.action in READS_THE_SOURCE:
        check_source(config.catalog)
    _check_home(config)


def _check_remote_home(config: IngestConfig) -> None:
    """A home elsewhere holds the lake and the runs; the rest must be servers."""
    if config.home_is_local:
        return
    wrong = [name for name, local in (("metadata=mysql", "sqlite"), ("vectors=milvus", "milvus_lite"))
             if local in (config.metadata.kind, config.vectors.kind)]  # fmt: skip
    if wrong:
        raise ConfigurationError(f"home={config.home} is not on this machine: it needs {' and '.join(wrong)}")
    config.lake.uri = config.lake.uri or f"{config.home_root}/lake"


def _check_home(config: IngestConfig) -> None:
    if not config.home:
        raise ConfigurationError("home is empty: say home=DIR, the folder that everything is written to")
    if not config.home_is_local:
        return
    home = config.home_dir
    if config.action in ("status", "report"):
        if not home.is_dir():
            raise ConfigurationError(f"home {config.home!r} does not exist: nothing was ingested there")
        return
    if home.is_file():
        raise ConfigurationError(f"home {config.home!r} is not a folder")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"home {config.home!r} cannot be created: {error.strerror}") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigurationError(f"home {config.home!r} cannot be written to")


def _check_range(config: IngestConfig, option: str, low: float, high: float) -> None:
    value: object = config
    for name in option.split("."):
        value = getattr(value, name)
    if value is not None and not low <= float(str(value)) <= high:
        raise ConfigurationError(f"{option} must lie between {low:g} and {high:g}, not {value}")
