"""Clip, window, batch and whole track give the same vectors on one time grid."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ingest.fingerprint import EMBEDDING_HOP, Embedder, Embeddings
from ingest.fingerprint.architecture import EncoderConfig
from ingest.fingerprint.embedder import CHUNK_CELLS, computes_bf16
from ingest.fingerprint.encoder import load_encoder
from ingest.fingerprint.pcm import to_float, to_int16
from tests.fingerprint.encoders import NARROW, folded_embedder
from tests.fingerprint.signals import melody

TRACK = melody(75.0)  # longer than two chunks


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return folded_embedder()


@pytest.fixture(scope="module")
def whole(embedder: Embedder) -> Embeddings:
    return embedder.embed(TRACK)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one * other).sum(axis=1))


@pytest.mark.parametrize("kind", ["narrow", "untrained", "shipped"])
def test_a_clip_agrees_with_its_place_in_the_track(kind: str) -> None:
    """Where a clip hears only itself, its vectors are those of the track; half a second beside it they are not."""
    configs = {"narrow": NARROW, "untrained": EncoderConfig()}
    embedder = folded_embedder(configs[kind]) if kind in configs else Embedder.load(threads=1)
    first, cells = 123, 40
    track = embedder.embed(TRACK).vectors[first : first + cells]
    clip = embedder.embed(TRACK[first * EMBEDDING_HOP : (first + cells) * EMBEDDING_HOP]).vectors
    edge = -(-max(embedder.before, embedder.after) // EMBEDDING_HOP)
    assert cosines(clip, track)[edge:-edge].min() >= 0.999
    assert cosines(clip[edge:-edge], track[edge + 4 : len(track) - edge + 4][: cells - 2 * edge])[:-4].mean() < 0.9


def test_vector_n_is_centred_on_cell_n(embedder: Embedder) -> None:
    """A click in the middle of a cell moves that cell's vector more than its neighbours', before and after alike."""
    place = 30
    samples = np.zeros(60 * EMBEDDING_HOP, np.float32) + melody(60 * 0.128, seed=5)[: 60 * EMBEDDING_HOP]
    clicked = samples.copy()
    middle = place * EMBEDDING_HOP + EMBEDDING_HOP // 2
    clicked[middle - 8 : middle + 8] += 0.9
    moved = 1 - cosines(embedder.embed(samples).vectors, embedder.embed(clicked).vectors)
    touched = np.flatnonzero(moved > 1e-6)
    assert touched.min() + touched.max() == pytest.approx(2 * place, abs=1)


def test_number_of_embeddings(embedder: Embedder) -> None:
    """One a whole cell, and at least one."""
    for samples, count in [(0, 1), (1, 1), (1_023, 1), (1_024, 1), (2_047, 1), (2_048, 2), (10_240, 10)]:
        embeddings = embedder.embed(melody(2.0)[:samples])
        assert embeddings.vectors.shape == (count, embedder.dim) and embeddings.audible.shape == (count,)


def test_chunks_change_nothing(embedder: Embedder, whole: Embeddings) -> None:
    """A track longer than a chunk is embedded as if in one piece."""
    assert len(whole) > 2 * CHUNK_CELLS
    padded = np.pad(TRACK, (embedder.before, embedder.after))
    with torch.inference_mode():
        at_once = embedder.encoder(torch.from_numpy(padded)[None])[0].numpy()
    assert np.allclose(at_once[: len(whole)], whole.vectors, atol=1e-5)


def test_batches_change_nothing(embedder: Embedder, whole: Embeddings) -> None:
    """Windows of very different lengths embedded together are as if alone, in order, the empty ones included."""
    lengths = [CHUNK_CELLS * 2 + 5, 3, 0, 77, 1]
    starts = np.cumsum([0, *lengths])
    windows = [
        np.pad(TRACK, (embedder.before, embedder.after))[
            start * EMBEDDING_HOP : (start + cells) * EMBEDDING_HOP + embedder.before + embedder.after
        ]
        for start, cells in zip(starts, lengths, strict=False)
    ]
    together = embedder.embed_windows(windows)
    assert [len(embeddings) for embeddings in together] == lengths
    assert np.allclose(np.concatenate([e.vectors for e in together]), whole.vectors[: sum(lengths)], atol=1e-5)
    assert np.array_equal(np.concatenate([e.audible for e in together]), whole.audible[: sum(lengths)])


def test_many_chunks_in_one_batch_change_nothing(whole: Embeddings) -> None:
    """Batches of chunks, as on a GPU, give what one chunk after the other gives."""
    batched = Embedder(folded_embedder().encoder, "0" * 64, bf16=False)
    batched.chunks_a_batch = 64
    assert np.allclose(batched.embed(TRACK).vectors, whole.vectors, atol=1e-5)


def test_nothing_in_nothing_out(embedder: Embedder) -> None:
    """No windows give no embeddings."""
    assert embedder.embed_windows([]) == []


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.5, 1.0])
def test_short_clips_have_vectors(embedder: Embedder, seconds: float) -> None:
    """Down to less than a cell a clip of music is embedded, finite and of unit length, and audible."""
    embeddings = embedder.embed(melody(seconds))
    assert np.allclose(np.linalg.norm(embeddings.vectors, axis=1), 1, atol=1e-5)
    assert embeddings.audible.all()


def test_silence_is_marked(embedder: Embedder) -> None:
    """Digital silence has finite vectors, none of which is audible or would be stored."""
    embeddings = embedder.embed(np.zeros(40_000, np.float32))
    assert np.isfinite(embeddings.vectors).all() and not embeddings.audible.any()
    stored = embeddings.stored()
    assert stored.segments.shape == (0,) and stored.vectors.shape == (0, embedder.dim)


def test_16_bit_and_float_agree(embedder: Embedder, whole: Embeddings) -> None:
    """The form in which waveforms travel costs nothing that matters."""
    as_integers = embedder.embed(to_int16(TRACK))
    assert cosines(as_integers.vectors, whole.vectors).min() > 0.999
    assert np.array_equal(as_integers.audible, whole.audible)
    assert np.array_equal(embedder.embed(to_float(to_int16(TRACK))).vectors, as_integers.vectors)


def test_every_fourth_embedding_is_stored(embedder: Embedder) -> None:
    """Segments count in strides from the first sample through silence, which leaves a hole."""
    track = melody(20.0)
    track[5 * 8_000 : 12 * 8_000] = 0.0
    embeddings = embedder.embed(track)
    stored = embeddings.stored()
    segments = stored.segments
    assert segments.dtype == np.int32
    assert np.array_equal(stored.vectors, embeddings.vectors[segments * 4])
    silent_s = np.setdiff1d(np.arange(len(embeddings) // 4), segments) * 0.512
    assert 5.0 < silent_s.min() < 6.0 and 10.5 < silent_s.max() < 12.0
    assert np.array_equal(silent_s, np.arange(round(silent_s.min() / 0.512), round(silent_s.max() / 0.512) + 1) * 0.512)


def test_bf16_agrees_with_fp32() -> None:
    """The shipped network in bf16 gives the vectors of fp32 to a cosine of 0.999, and exactly its salience."""
    encoder, checksum = load_encoder()
    exact, rounded = (Embedder(encoder, checksum, bf16=bf16).embed(TRACK) for bf16 in (False, True))
    assert cosines(exact.vectors, rounded.vectors).min() > 0.999
    assert np.abs(exact.vectors - rounded.vectors).max() > 0
    assert np.array_equal(exact.salience.levels, rounded.salience.levels)
    assert np.allclose(np.linalg.norm(rounded.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512f avx512_bf16 avx2", True), ("fpu amx_tile amx_bf16", True), ("fpu avx2 avx512f", False)],
)
def test_bf16_is_used_where_the_processor_computes_in_it(
    flags: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags of /proc/cpuinfo decide; a GPU always does."""
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: f"processor: 0\nflags: {flags}\n")
    computes_bf16.cache_clear()
    assert computes_bf16("cpu") is expected
    assert computes_bf16("cuda")
    computes_bf16.cache_clear()
