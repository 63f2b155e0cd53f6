"""Front end and network as one module, and the file that holds both: safetensors with its configuration inside."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ingest.errors import ConfigurationError
from ingest.fingerprint.frontend import FrontEnd, FrontEndConfig
from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.network import Network, NetworkConfig, fold_batch_norm, receptive_field_samples

SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "refrain.safetensors"


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that the meaning of a vector depends on, next to the weights."""

    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)

    @classmethod
    def from_json(cls, text: str) -> EncoderConfig:
        values = json.loads(text)
        network: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["network"].items()}
        return cls(FrontEndConfig(**values["front_end"]), NetworkConfig(**network))

    @property
    def receptive_field(self) -> int:
        """Samples that one embedding hears."""
        return receptive_field_samples(self.network)

    @property
    def padding(self) -> tuple[int, int]:
        """Samples heard before and after the cell that an embedding is centred on."""
        before = (self.receptive_field - EMBEDDING_HOP) // 2
        return before, self.receptive_field - EMBEDDING_HOP - before


class Encoder(nn.Module):
    """Shape: samples float32 [B, T] → unit vectors [B, N, D], N = (T − receptive field) // EMBEDDING_HOP + 1."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = FrontEnd(config.front_end)
        self.network = Network(config.front_end.bands, config.network)

    def forward(self, samples: Tensor) -> Tensor:
        vectors: Tensor = self.network(self.front_end(samples)).transpose(1, 2)
        return vectors


def save_encoder(encoder: Encoder, path: Path, notes: dict[str, str] | None = None) -> None:
    """Write weights and configuration; `notes` (provenance, say) travel along. Equal content makes equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One entry: safetensors writes several in random order, and the checksum would be another each time.
    metadata = {"config": json.dumps({**asdict(encoder.config), "notes": notes or {}}, sort_keys=True)}
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(save({k: v.contiguous() for k, v in encoder.state_dict().items()}, metadata))
    unfinished.replace(path)


def read_notes(path: Path | None = None) -> dict[str, str]:
    """The notes that were written with an encoder. Raises ConfigurationError as `load_encoder` does."""
    path = path or SHIPPED_WEIGHTS
    try:
        with safe_open(str(path), framework="pt") as stored:
            notes = json.loads((stored.metadata() or {})["config"]).get("notes", {})
        return {str(name): str(text) for name, text in notes.items()}
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"encoder weights {path} cannot be read: {_line(error)}") from error


def load_encoder(path: Path | None = None) -> tuple[Encoder, str]:
    """The encoder ready for inference (batch normalisation folded) and its checksum.

    The checksum, SHA-256 of the file, names every embedding made with it. Raises ConfigurationError when the file
    is missing or is not one of ours.
    """
    path = path or SHIPPED_WEIGHTS
    try:
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(str(path), framework="pt") as stored:
            config = EncoderConfig.from_json((stored.metadata() or {})["config"])
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"encoder weights {path} cannot be read: {_line(error)}") from error
    try:
        encoder = Encoder(config)
        encoder.load_state_dict(weights)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:  # what torch says of shapes that do not fit
        raise ConfigurationError(f"encoder weights {path} do not fit their configuration") from error
    encoder.eval().requires_grad_(requires_grad=False)
    fold_batch_norm(encoder.network)
    return encoder, checksum


def checksum_of(path: Path | None = None) -> str:
    """The checksum `load_encoder` would give, without torch's work of loading it."""
    path = path or SHIPPED_WEIGHTS
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(f"encoder weights {path} cannot be read: {_line(error)}") from error


def _line(error: Exception) -> str:
    """What went wrong on one line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not an encoder of ours" if isinstance(error, (KeyError, TypeError)) else " ".join(str(error).split())


def seeded_encoder(config: EncoderConfig | None = None, seed: int = 0) -> Encoder:
    """An untrained encoder with reproducible weights."""
    torch.manual_seed(seed)
    return Encoder(config or EncoderConfig())
