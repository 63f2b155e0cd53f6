"""However a stream is cut, the same segments and vectors come out as from the whole."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.fingerprint import (
    EMBEDDING_HOP,
    SAMPLE_RATE,
    SEGMENT_HOP,
    SEGMENT_HOP_S,
    STORED_STRIDE,
    Embedder,
    Window,
    cut_windows,
)
from ingest.fingerprint.architecture import EncoderConfig, NetworkConfig
from ingest.fingerprint.pcm import to_int16
from tests.fingerprint.encoders import folded_embedder
from tests.fingerprint.signals import melody

TINY = EncoderConfig(network=NetworkConfig((4, 4, 8), width=12, dim=8, context_kernels=(2,)))
PADDING = TINY.padding
TRACK = melody(20.0, seed=3)
TRACK[9 * SAMPLE_RATE : 12 * SAMPLE_RATE] = 0.0


def blocks_of(samples: np.ndarray, sizes: list[int]) -> Iterator[np.ndarray]:
    """Blocks of the given sizes in turn, until the samples are used up."""
    place, turn = 0, 0
    while place < len(samples):
        size = sizes[turn % len(sizes)]
        yield samples[place : place + size]
        place, turn = place + size, turn + 1


def stored(embedder: Embedder, windows: Iterator[Window]) -> tuple[np.ndarray, np.ndarray]:
    """Segments [n] and vectors [n, D] of a file, as the stages make them of its windows."""
    segments, vectors = [], []
    for window in windows:
        kept = embedder.embed_windows([window.samples])[0].stored()
        segments.append(kept.segments + window.first_segment)
        vectors.append(kept.vectors)
    return np.concatenate(segments), np.concatenate(vectors)


@settings(max_examples=15, deadline=None)
@given(
    length=st.integers(1, len(TRACK)),
    sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=5),
    window_s=st.floats(0.1, 25.0),
)
def test_any_cut_gives_the_segments_and_vectors_of_the_whole(length: int, sizes: list[int], window_s: float) -> None:
    """Whatever the blocks and the windows: equal segments, equal vectors, silence left out alike."""
    embedder, samples = folded_embedder(TINY), TRACK[:length]
    segments, vectors = stored(embedder, cut_windows(blocks_of(samples, sizes), PADDING, window_s))
    whole = embedder.embed(to_int16(samples)).stored()
    assert np.array_equal(segments, whole.segments)
    assert np.allclose(vectors, whole.vectors, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(0, 200_000),
    sizes=st.lists(st.integers(1, 50_000), min_size=1, max_size=4),
    window_s=st.floats(0.01, 12.0),
    padding=st.tuples(st.integers(0, 9_000), st.integers(0, 9_000)),
)
def test_windows_are_in_order_bounded_and_whole(
    length: int, sizes: list[int], window_s: float, padding: tuple[int, int]
) -> None:
    """Numbered from 0, one last; each starts where its number says, holds what it must, and none is longer than
    a core and its surroundings plus what makes sure that it is not the last."""
    samples = np.random.default_rng(0).integers(-8_000, 8_000, length).astype(np.float32) / 8_192
    windows = list(cut_windows(blocks_of(samples, sizes), padding, window_s))
    if not length:
        assert windows == []
        return
    before, after = padding
    core = max(1, round(window_s / SEGMENT_HOP_S)) * SEGMENT_HOP
    padded = np.concatenate([np.zeros(before, np.int16), to_int16(samples), np.zeros(after + core, np.int16)])
    assert [window.index for window in windows] == list(range(len(windows)))
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
    for window in windows:
        start = window.first_segment * SEGMENT_HOP
        assert start == window.index * core
        assert np.array_equal(window.samples, padded[start : start + len(window.samples)])
        assert before + EMBEDDING_HOP + after <= len(window.samples) <= before + core + 2 * max(after, EMBEDDING_HOP)
    cells = windows[-1].first_segment * STORED_STRIDE + (len(windows[-1].samples) - before - after) // EMBEDDING_HOP
    assert cells == max(1, length // EMBEDDING_HOP)


def test_memory_is_bounded_by_a_window() -> None:
    """Twenty minutes in windows of one hold a few windows' worth of samples, never the file."""
    minute = np.zeros(60 * SAMPLE_RATE, np.float32)
    blocks = (minute[:1_000] for _ in range(20 * 480))
    tracemalloc.start()
    windows = sum(1 for _ in cut_windows(blocks, PADDING, 60.0))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert windows in (20, 21)  # a window is a whole number of segments, 59.9 s
    assert most < 4 * 60 * SAMPLE_RATE * 2


@pytest.mark.integration
def test_three_hours_cut_both_ways_are_equal() -> None:
    """A file of three hours in windows of ten minutes and of half an hour: equal segments and vectors."""
    song = melody(97.0, seed=4)  # repeated out of step with the windows
    hours = 3 * 3_600 * SAMPLE_RATE

    def blocks() -> Iterator[np.ndarray]:
        return blocks_of(np.resize(song, hours), [1 << 18])

    embedder = folded_embedder(TINY)
    segments, vectors = stored(embedder, cut_windows(blocks(), PADDING, 600.0))
    others, other_vectors = stored(embedder, cut_windows(blocks(), PADDING, 1_800.0))
    assert len(segments) == pytest.approx(hours / SEGMENT_HOP, abs=1)
    assert np.array_equal(segments, others)
    assert np.allclose(vectors, other_vectors, atol=1e-5)
