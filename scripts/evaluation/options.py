"""What the two commands are told: one dataclass each, and what no type can say about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from conf import compose
from conf.loader import split_override
from ingest.config import AudioConfig, CatalogConfig, EncoderConfig
from ingest.errors import ConfigurationError
from ingest.stores import VectorsConfig
from scripts.evaluation.conditions import CONDITIONS
from serve.config import MatchingConfig, ServeConfig

PATHS = ("home", "catalog.path", "out", "noise", "rooms", "encoder.weights", "vectors.uri")


@dataclass
class AskConfig:
    """See conf/questions/default.yaml, and the groups that ingest has too."""

    catalog: CatalogConfig
    audio: AudioConfig
    encoder: EncoderConfig
    vectors: VectorsConfig
    out: str
    noise: str | None
    noises: list[str]
    rooms: str | None
    conditions: list[str]
    lengths: list[float]
    clips: int
    seed: int
    tolerance_s: float
    max_false_accepts: float
    store: Literal["flat", "vectors"]
    processes: int
    device: Literal["cpu", "cuda"]
    fresh: bool

    @property
    def out_path(self) -> Path:
        return Path(self.out).absolute()

    @property
    def weights(self) -> Path | None:
        return Path(self.encoder.weights) if self.encoder.weights else None


@dataclass
class CalibrateConfig(AskConfig):
    """See conf/calibrate.yaml."""


@dataclass
class EvaluateConfig(AskConfig):
    """See conf/evaluate.yaml."""

    calibration: str | None
    distractors: list[int]
    distractor_conditions: list[str]
    distractor_lengths: list[float]
    distractor_clips: int
    section: str
    write: bool


C = TypeVar("C", bound=AskConfig)


def read_options(name: str, arguments: Sequence[str], schema: type[C]) -> tuple[C, MatchingConfig]:
    """The configuration, and what the service would match with. Raises ConfigurationError."""
    own: list[str] = []
    matching: list[str] = []
    for argument in arguments:
        (matching if argument.startswith("matching.") else own).append(argument)
    config = compose(name, [part for argument in own for part in _spelt_out(argument)], schema)
    check(config)
    return config, compose("serve", ["home=unused", *matching], ServeConfig).matching


def _spelt_out(argument: str) -> tuple[str, ...]:
    """`vectors=` also says which store is meant: flat is none of those that a job can fill."""
    key, _, choice = argument.partition("=")
    if key != "vectors":
        return (argument,)
    return ("store=flat",) if choice == "flat" else (argument, "store=vectors")


def check(config: AskConfig) -> None:
    """Raises ConfigurationError for values that cannot work."""
    if not config.catalog.path:
        raise ConfigurationError("catalog.path is not given: say catalog.path=FOLDER or a CSV with a column file")
    if config.catalog.kind == "s3":
        raise ConfigurationError("catalog=s3: only files of this machine are asked about")
    for name in ("clips", "tolerance_s", "processes"):
        if getattr(config, name) <= 0:
            raise ConfigurationError(f"{name}={getattr(config, name)} must be positive")
    if not 0 <= config.max_false_accepts < 1:
        raise ConfigurationError(f"max_false_accepts={config.max_false_accepts} must be a share, 0 to below 1")
    _check_asked("conditions", config.conditions, "lengths", config.lengths)
    if config.noises and config.noise is None:
        raise ConfigurationError("noises= names recordings of a folder: say noise=FOLDER")
    if config.device == "cuda":
        _check_cuda()
    if isinstance(config, EvaluateConfig):
        _check_distractors(config)


def _check_asked(conditions: str, names: Sequence[str], lengths: str, seconds: Sequence[float]) -> None:
    if unknown := [name for name in names if name not in CONDITIONS]:
        raise ConfigurationError(f"{conditions}: {unknown[0]!r} is none of {', '.join(CONDITIONS)}")
    for option, values in ((conditions, names), (lengths, seconds)):
        if not values or len(set(values)) < len(values):
            raise ConfigurationError(f"{option} must name at least one, and none twice")
    if min(seconds) < 0.5 or max(seconds) > 60:
        raise ConfigurationError(f"{lengths} must lie between 0.5 and 60 seconds")


def _check_distractors(config: EvaluateConfig) -> None:
    if not config.distractors:
        return
    _check_asked("distractor_conditions", config.distractor_conditions, "distractor_lengths", config.distractor_lengths)
    for option, values in (("distractors", config.distractors), ("distractor_clips", [config.distractor_clips])):
        if min(values) <= 0:
            raise ConfigurationError(f"{option} must be positive")


def _check_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise ConfigurationError("device=cuda, but torch finds no GPU")


def as_command(module: str, arguments: Iterable[str]) -> str:
    """The command line without what is of this machine alone.

    >>> as_command("scripts.evaluate", ["out=/tmp/x", "clips=3"])
    'python -m scripts.evaluate out=… clips=3'
    """
    shown = []
    for argument in arguments:
        key, value = split_override(argument)
        own = key in PATHS or (key == "calibration" and value != "shipped")
        shown.append(f"{key}=…" if own else argument)
    return " ".join(["python -m", module, *shown])
