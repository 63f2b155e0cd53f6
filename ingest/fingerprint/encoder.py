"""Front end and network as one module, and the file that holds both: safetensors with its configuration inside."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ingest.errors import ConfigurationError
from ingest.fingerprint.architecture import SHIPPED_WEIGHTS, EncoderConfig, read_architecture, read_head
from ingest.fingerprint.frontend import FrontEnd
from ingest.fingerprint.network import Network, fold_batch_norm


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
    head, _ = read_head(path or SHIPPED_WEIGHTS)
    try:
        return {str(name): str(text) for name, text in json.loads(head).get("notes", {}).items()}
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(f"encoder weights {path} cannot be read: it is not an encoder of ours") from error


def load_encoder(path: Path | None = None) -> tuple[Encoder, str]:
    """The encoder ready for inference (batch normalisation folded) and its checksum.

    Raises ConfigurationError when the file is missing or is not one of ours.
    """
    path = path or SHIPPED_WEIGHTS
    config, checksum = read_architecture(path)
    try:
        encoder = Encoder(config)
        encoder.load_state_dict(load_file(str(path)))
    except (SafetensorError, RuntimeError, ValueError, TypeError, AssertionError) as error:  # shapes that do not fit
        raise ConfigurationError(f"encoder weights {path} do not fit their configuration") from error
    encoder.eval().requires_grad_(requires_grad=False)
    fold_batch_norm(encoder.network)
    return encoder, checksum


def seeded_encoder(config: EncoderConfig | None = None, seed: int = 0) -> Encoder:
    """An untrained encoder with reproducible weights."""
    torch.manual_seed(seed)
    return Encoder(config or EncoderConfig())
