"""Encoders for tests: untrained, yet with vectors that differ from moment to moment."""

import copy
from functools import lru_cache

import torch
from torch import nn

from ingest.fingerprint.architecture import EncoderConfig, NetworkConfig
from ingest.fingerprint.embedder import Embedder
from ingest.fingerprint.encoder import Encoder, seeded_encoder
from ingest.fingerprint.network import fold_batch_norm
from tests.fingerprint.signals import melody

NARROW = EncoderConfig(network=NetworkConfig((4, 8, 8), width=32, dim=16))


@lru_cache(maxsize=8)
def lively_encoder(config: EncoderConfig, seed: int = 0) -> Encoder:
    """An untrained encoder whose batch normalisations know the statistics of music. It is shared: copy to change it."""
    encoder = seeded_encoder(config, seed)
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # one look at the music suffices
    with torch.no_grad():
        encoder(torch.from_numpy(melody(6.0))[None])
    for norm in norms:
        norm.momentum = 0.1
    return encoder.eval()


@lru_cache(maxsize=4)
def folded_embedder(config: EncoderConfig = NARROW) -> Embedder:
    """A lively encoder as `load_encoder` would give it."""
    encoder = copy.deepcopy(lively_encoder(config)).requires_grad_(requires_grad=False)
    fold_batch_norm(encoder.network)
    return Embedder(encoder, "0" * 64, bf16=False)
