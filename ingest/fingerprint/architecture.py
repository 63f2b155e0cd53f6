"""What an encoder is made of, as data: read from the head of its weights file, without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from ingest.errors import ConfigurationError
from ingest.fingerprint.grid import EMBEDDING_DIM, EMBEDDING_HOP

SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "refrain.safetensors"
FFT_SIZE = 1_024  # samples: 128 ms, 7.8 Hz a bin
STEM_KERNEL, STEM_STRIDE = 4, 2
LOCAL_BANDS, LOCAL_FRAMES = 5, 3  # kernel of the first 2-D layer; the others span STEM_KERNEL frames


@dataclass(frozen=True)
class FrontEndConfig:
    """Bands equally spaced in log frequency (a change of pitch is a shift along them), or on the mel scale."""

    bands: int = 96
    scale: Literal["log", "mel"] = "log"
    hop: int = 256  # samples from one frame to the next
    min_hz: float = 180.0
    max_hz: float = 3_800.0
    floor_dbfs: float = -75.0  # band level below which differences fade out


@dataclass(frozen=True)
class NetworkConfig:
    """Channels of the layers, from the bands to the vector.

    local: 2-D layers over bands and frames; each halves the bands, and all but the first halve the frames.
    stem: 1-D layers over frames; each halves them.
    width: of the trunk behind, which looks `context_kernels` embeddings far.
    """

    local: tuple[int, ...] = (16, 32, 64)
    stem: tuple[int, ...] = ()
    width: int = 384
    expansion: int = 2
    context_kernels: tuple[int, ...] = (3, 3, 2)
    dim: int = EMBEDDING_DIM

    @property
    def halvings(self) -> int:
        """How often the frames are halved."""
        return max(len(self.local) - 1, 0) + len(self.stem)


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that the meaning of a vector depends on, next to the weights."""

    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        if min(self.front_end.bands, self.front_end.hop, self.network.width, self.network.dim) < 1:
            raise ValueError("bands, hop, width and dim of an encoder are positive")
        receptive_field_samples(self)

    @classmethod
    def from_json(cls, text: str) -> EncoderConfig:
        values = json.loads(text)
        network: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["network"].items()}
        return cls(FrontEndConfig(**values["front_end"]), NetworkConfig(**network))

    @property
    def receptive_field(self) -> int:
        """Samples that one embedding hears."""
        return receptive_field_samples(self)

    @property
    def padding(self) -> tuple[int, int]:
        """Samples heard before and after the cell that an embedding is centred on."""
        before = (self.receptive_field - EMBEDDING_HOP) // 2
        return before, self.receptive_field - EMBEDDING_HOP - before


def receptive_field_samples(config: EncoderConfig) -> int:
    """Samples that one embedding hears, the FFT window included. Raises ValueError if hop and stem do not fit."""
    network, hop = config.network, config.front_end.hop
    frames, jump = (LOCAL_FRAMES if network.local else 1), 1
    for _ in range(network.halvings):
        frames, jump = frames + (STEM_KERNEL - 1) * jump, jump * STEM_STRIDE
    for kernel in network.context_kernels:
        frames += (kernel - 1) * jump
    if jump * hop != EMBEDDING_HOP:
        raise ValueError(f"{jump} frames of {hop} samples are not the {EMBEDDING_HOP} of an embedding")
    return (frames - 1) * hop + FFT_SIZE


def read_architecture(path: Path | None = None) -> tuple[EncoderConfig, str]:
    """Configuration and checksum (SHA-256) of a weights file; None is the shipped one.

    The checksum names every embedding made with it. Raises ConfigurationError when the file is missing or none of ours.
    """
    head, checksum = read_head(path or SHIPPED_WEIGHTS)
    try:
        return EncoderConfig.from_json(head), checksum
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"encoder weights {path}: it is not an encoder of ours") from error


def read_head(path: Path) -> tuple[str, str]:
    """The configuration as it stands in a weights file, JSON, and the file's checksum. Raises ConfigurationError."""
    try:
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(str(path), framework="np") as stored:
            return (stored.metadata() or {})["config"], checksum
    except OSError as error:
        raise ConfigurationError(f"encoder weights {path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, KeyError) as error:
        raise ConfigurationError(f"encoder weights {path} cannot be read: it is not an encoder of ours") from error
