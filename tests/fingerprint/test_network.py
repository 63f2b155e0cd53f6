"""The network: folding, gain, receptive field, unit length."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from ingest.fingerprint.architecture import EncoderConfig, FrontEndConfig, NetworkConfig
from ingest.fingerprint.grid import EMBEDDING_HOP
from ingest.fingerprint.network import fold_batch_norm
from tests.fingerprint.encoders import NARROW, lively_encoder
from tests.fingerprint.signals import melody

SHIPPED = EncoderConfig()


def vectors_of(samples: np.ndarray, config: EncoderConfig = NARROW) -> np.ndarray:
    """[N, D] of [T] from an encoder of fixed seed."""
    with torch.inference_mode():
        return np.asarray(lively_encoder(config)(torch.from_numpy(samples)[None])[0].numpy())


def test_folding_changes_nothing() -> None:
    """With batch normalisation folded into the convolutions the vectors stay the same, and no normalisation is left."""
    encoder = lively_encoder(SHIPPED)
    folded = copy.deepcopy(encoder)
    fold_batch_norm(folded.network)
    samples = torch.from_numpy(melody(4.0, seed=1))[None]
    with torch.inference_mode():
        assert torch.allclose(encoder(samples), folded(samples), atol=1e-5)
    kinds = {type(module) for module in folded.network.modules()}
    assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d}


def test_gain_changes_nothing() -> None:
    """Well above the floor, music 20 dB quieter has the same vectors: the first layer takes the constant away."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    cosines = (vectors_of(noise) * vectors_of(0.1 * noise)).sum(axis=1)
    assert cosines.min() > 0.999


def test_vectors_have_unit_length_and_differ() -> None:
    """Every vector has length one; those of moments a second apart are not alike."""
    found = vectors_of(melody(8.0))
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found[:-8] * found[8:]).sum(axis=1).mean() < 0.9


@pytest.mark.parametrize("kernels", [(3, 3, 2), (2,), (5, 3), ()], ids=str)
@pytest.mark.parametrize(("local", "stem"), [((4, 4, 8), ()), ((4,), (8, 8)), ((), (8, 12)), ((4, 8), (8,))], ids=str)
def test_number_of_embeddings(local: tuple[int, ...], stem: tuple[int, ...], kernels: tuple[int, ...]) -> None:
    """N = (T − receptive field) // hop + 1, and below one receptive field there is none to give."""
    config = EncoderConfig(network=NetworkConfig(local, stem, 12, context_kernels=kernels, dim=8))
    field = config.receptive_field
    for extra, count in [(0, 1), (EMBEDDING_HOP - 1, 1), (EMBEDDING_HOP, 2), (5 * EMBEDDING_HOP, 6)]:
        assert vectors_of(melody(9.0)[: field + extra], config).shape == (count, 8)
    with pytest.raises(RuntimeError):
        vectors_of(melody(9.0)[: field - config.front_end.hop], config)


@pytest.mark.parametrize("config", [NARROW, SHIPPED], ids=["narrow", "shipped"])
def test_receptive_field_is_what_it_says(config: EncoderConfig) -> None:
    """An embedding hears its receptive field and nothing else: what changes outside changes nothing, inside it does."""
    field, place = config.receptive_field, 7
    start, samples = place * EMBEDDING_HOP, melody(6.0)
    base = vectors_of(samples, config)[place]
    inside = slice(start, start + field)
    outside = np.random.default_rng(1).uniform(-0.9, 0.9, len(samples)).astype(np.float32)
    outside[inside] = samples[inside]
    assert np.allclose(vectors_of(outside, config)[place], base, atol=1e-5)
    for edge in (start + 400, start + field // 2, start + field - 400):  # a window is near zero at its very ends
        changed = samples.copy()
        changed[edge - 300 : edge + 300] = 0.9 * np.sign(np.sin(np.arange(600)))
        assert np.abs(vectors_of(changed, config)[place] - base).max() > 1e-3


@pytest.mark.parametrize(("hop", "stem"), [(256, (8,)), (128, (8, 8)), (256, (8, 8, 8))])
def test_hop_and_halvings_must_make_an_embedding(hop: int, stem: tuple[int, ...]) -> None:
    """Layers that do not halve the frames down to one an embedding are refused, and told why."""
    with pytest.raises(ValueError, match="are not the 1024 of an embedding"):
        EncoderConfig(FrontEndConfig(hop=hop), NetworkConfig((), stem))


def test_padding_centres_an_embedding_on_its_cell() -> None:
    """Before and after a cell the same is heard, give or take a frame, together one receptive field."""
    before, after = SHIPPED.padding
    assert before + EMBEDDING_HOP + after == SHIPPED.receptive_field
    assert abs(before - after) <= 1


def test_every_weight_is_used() -> None:
    """A loss on the vectors reaches every parameter."""
    encoder = copy.deepcopy(lively_encoder(NARROW)).train()
    found = encoder(torch.from_numpy(melody(4.0))[None])
    (found * torch.linspace(-1, 1, found.shape[-1])).sum().backward()
    grads = {name: parameter.grad for name, parameter in encoder.named_parameters()}
    assert not [name for name, grad in grads.items() if grad is None or not grad.abs().sum() > 0]


def test_names_of_the_weights_are_stable() -> None:
    """Weights are kept by these names: stored encoders depend on them."""
    names = set(lively_encoder(NARROW).state_dict())
    convs = {f"network.layers.0.layers.{i}.0.weight" for i in range(3)} | {
        f"network.layers.{i}.{part}.weight" for i, part in product((2, 3, 4), ("context.0", "mix.0.0", "mix.1"))
    }
    assert convs <= names
    assert "network.layers.5.weight" in names and "network.layers.0.layers.0.1.running_mean" in names
    assert not [name for name in names if name.startswith("front_end")]
