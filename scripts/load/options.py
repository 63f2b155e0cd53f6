"""What the command is told, and what no type can say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conf import compose
from ingest.config import AudioConfig, CatalogConfig, EncoderConfig
from ingest.errors import ConfigurationError
from scripts.evaluation.conditions import CONDITIONS
from scripts.music.files import FORMATS

POSITIVE = ("vectors", "clip_s", "clips", "max_p99_ms", "rate_s", "precision", "idle_s", "overload", "recovery_s")


@dataclass
class LoadConfig:
    """See conf/load.yaml."""

    catalog: CatalogConfig
    audio: AudioConfig
    encoder: EncoderConfig
    home: str
    vectors: int
    index: str
    noise: str | None
    noises: list[str]
    rooms: str | None
    conditions: list[str]
    clip_s: float
    form: str
    clips: int
    unknown_share: float
    seed: int
    serve: list[str]
    max_p99_ms: float
    rate_s: float
    precision: float
    callers: list[int]
    idle_s: float
    overload: float
    overload_s: float
    recovery_s: float
    soak_s: float
    noop: bool
    section: str
    write: bool

    @property
    def home_path(self) -> Path:
        return Path(self.home).absolute()

    @property
    def weights(self) -> Path | None:
        return Path(self.encoder.weights) if self.encoder.weights else None


def read_options(arguments: Sequence[str]) -> LoadConfig:
    """Raises ConfigurationError."""
    config = compose("load", arguments, LoadConfig)
    check(config)
    return config


def check(config: LoadConfig) -> None:
    """Raises ConfigurationError for values that cannot work."""
    if not config.catalog.path:
        raise ConfigurationError("catalog.path is not given: say catalog.path=FOLDER or a CSV with a column file")
    for name in POSITIVE:
        if getattr(config, name) <= 0:
            raise ConfigurationError(f"{name}={getattr(config, name)} must be positive")
    for name, known in (("conditions", CONDITIONS), ("form", FORMATS)):
        chosen = getattr(config, name)
        asked = [chosen] if isinstance(chosen, str) else chosen
        if unknown := [one for one in asked if one not in known]:
            raise ConfigurationError(f"{name}: {unknown[0]!r} is none of {', '.join(known)}")
    if not config.conditions:
        raise ConfigurationError("conditions must name at least one")
    if not 0 <= config.unknown_share < 1:
        raise ConfigurationError(f"unknown_share={config.unknown_share} must be a share, 0 to below 1")
    if min([1, *config.callers]) <= 0:
        raise ConfigurationError("callers must be positive numbers")
