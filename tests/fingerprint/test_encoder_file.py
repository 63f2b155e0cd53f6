"""The encoder's file: what is stored comes back, and what is not ours is refused with one line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ingest.errors import ConfigurationError
from ingest.fingerprint import Embedder
from ingest.fingerprint.architecture import (
    SHIPPED_WEIGHTS,
    EncoderConfig,
    FrontEndConfig,
    NetworkConfig,
    read_architecture,
)
from ingest.fingerprint.encoder import load_encoder, read_notes, save_encoder, seeded_encoder
from tests.fingerprint.encoders import NARROW, lively_encoder
from tests.fingerprint.signals import melody

UNUSUAL = EncoderConfig(
    FrontEndConfig(bands=40, scale="mel", hop=128, min_hz=200.0, max_hz=3_000.0, floor_dbfs=-70.0),
    NetworkConfig((4,), (8, 12, 16), 16, expansion=3, context_kernels=(3,), dim=20),
)


@pytest.mark.parametrize("config", [NARROW, UNUSUAL], ids=["narrow", "unusual"])
def test_a_stored_encoder_embeds_alike(config: EncoderConfig, tmp_path: Path) -> None:
    """Configuration and weights come back; the folded encoder gives the vectors of the one that was stored."""
    path = tmp_path / "new/folder/encoder.safetensors"
    save_encoder(lively_encoder(config), path, {"note": "made for a test"})
    loaded, checksum = load_encoder(path)
    assert loaded.config == config
    assert read_notes(path) == {"note": "made for a test"}
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())
    samples = torch.from_numpy(melody(3.0))[None]
    with torch.inference_mode():
        assert torch.allclose(loaded(samples), lively_encoder(config)(samples), atol=1e-5)
    assert checksum == read_architecture(path)[1] and len(checksum) == 64
    assert [file.name for file in path.parent.iterdir()] == ["encoder.safetensors"]


def test_the_checksum_tells_encoders_apart(tmp_path: Path) -> None:
    """The same encoder has the same checksum; other weights or another front end have another."""
    paths = [tmp_path / name for name in "abcd"]
    quieter = replace(NARROW, front_end=replace(NARROW.front_end, floor_dbfs=-70.0))
    encoders = [seeded_encoder(NARROW), seeded_encoder(NARROW), seeded_encoder(NARROW, 1), seeded_encoder(quieter)]
    for encoder, path in zip(encoders, paths, strict=True):
        save_encoder(encoder, path, {"note": "1", "more": "2", "and": "3", "last": "4"})
    a, b, c, d = (read_architecture(path)[1] for path in paths)
    assert a == b and len({a, c, d}) == 3


def test_the_embedder_carries_it(tmp_path: Path) -> None:
    """An embedder from a file has its checksum and its number of dimensions."""
    path = tmp_path / "encoder.safetensors"
    save_encoder(seeded_encoder(UNUSUAL), path)
    embedder = Embedder.load(path, threads=1)
    assert (embedder.checksum, embedder.dim) == (read_architecture(path)[1], 20)
    assert embedder.embed(np.zeros(9_000, np.float32)).vectors.shape == (8, 20)


def test_seeds_are_reproducible() -> None:
    """The same seed gives the same untrained encoder."""
    one, same, other = (seeded_encoder(NARROW, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["network.layers.0.layers.0.0.weight"], other["network.layers.0.layers.0.0.weight"])


def stored(path: Path, metadata: dict[str, str] | None, config: EncoderConfig = NARROW) -> Path:
    """Weights of NARROW's kind under metadata of one's own."""
    save_encoder(seeded_encoder(config), path)
    save_file(load_file(path), path, metadata=metadata)
    return path


BAD_METADATA = {
    "none": None,
    "foreign": {"format": "pt"},
    "no json": {"config": "{"},
    "a list": {"config": "[]"},
    "text": {"config": '"stem"'},
    "no network": {"config": "{}"},
    "unknown field": {"config": json.dumps({"front_end": {"window": 3}, "network": {}})},
    "impossible bands": {"config": json.dumps({"front_end": {"bands": -1}, "network": {}})},
    "too many halvings": {"config": json.dumps({"front_end": {}, "network": {"stem": [8, 8]}})},
    "other shapes": {"config": json.dumps({"front_end": {}, "network": {"local": [8, 8, 8]}})},
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_foreign_weights_are_refused(case: str, tmp_path: Path) -> None:
    """A safetensors file that is not an encoder, or whose weights do not fit: one line that names the file."""
    path = stored(tmp_path / "weights.safetensors", BAD_METADATA[case])
    with pytest.raises(ConfigurationError, match=r"encoder weights .*weights\.safetensors") as caught:
        load_encoder(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "missing", "folder"])
def test_corrupt_weights_are_refused(damage: str, tmp_path: Path) -> None:
    """Files that break off, are something else or are not there: one line that names the file."""
    path = tmp_path / "weights.safetensors"
    save_encoder(seeded_encoder(NARROW), path)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "text": b"hello" * 99, "cut": content[:-100]}[damage])
    with pytest.raises(ConfigurationError, match=r"encoder weights .*weights\.safetensors cannot be read"):
        read_notes(path)
    with pytest.raises(ConfigurationError, match=r"encoder weights .*weights\.safetensors cannot be read") as caught:
        load_encoder(path)
    assert "\n" not in str(caught.value)
    if damage in ("missing", "folder"):
        with pytest.raises(ConfigurationError, match=r"weights\.safetensors cannot be read"):
            read_architecture(path)[1]


def test_the_shipped_encoder_loads() -> None:
    """The weights in the package are an encoder of 128 dimensions, and the default."""
    encoder, checksum = load_encoder()
    assert encoder.config.network.dim == 128
    assert checksum == read_architecture(SHIPPED_WEIGHTS)[1] == read_architecture()[1]
