"""The encoder of a job, as far as the driver needs to know it: without its weights in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.config import EncoderConfig
from ingest.fingerprint.architecture import read_architecture


@dataclass(frozen=True)
class Model:
    """checksum names everything it makes; padding: samples heard around a cell; dim: of its vectors."""

    checksum: str
    padding: tuple[int, int]
    dim: int


def read_model(config: EncoderConfig) -> Model:
    """Raises ConfigurationError if there is no such encoder."""
    encoder, checksum = read_architecture(Path(config.weights) if config.weights else None)
    return Model(checksum, encoder.padding, encoder.network.dim)
