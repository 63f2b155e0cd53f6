"""A stream of samples cut into windows of bounded size that embed to exactly what the whole file would.

The core of window i is [i · core, (i + 1) · core), a whole number of stored segments; around it a window carries
what its outermost embeddings hear. Before the file and behind it there is silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP, SAMPLE_RATE, SEGMENT_HOP, STORED_STRIDE
from ingest.fingerprint.pcm import to_int16


@dataclass(frozen=True)
class Window:
    """samples: int16 [T], surroundings included. `last` closes the file."""

    index: int
    first_segment: int
    samples: np.ndarray
    last: bool


def cut_windows(blocks: Iterable[np.ndarray], padding: tuple[int, int], window_s: float) -> Iterator[Window]:
    """Windows of float32 `blocks` [T]; at most one window and one block are held at a time.

    padding: samples heard before and after an embedding's own cell. A stream of no samples gives no window.
    """
    before, after = padding
    core = max(1, round(window_s * SAMPLE_RATE / SEGMENT_HOP)) * SEGMENT_HOP
    # One cell more than is heard guarantees that another window follows, so that the last one is known to be it.
    whole = before + core + max(after, EMBEDDING_HOP)
    held, index = _Held(np.zeros(before, np.int16)), 0
    for block in blocks:
        held.add(to_int16(block))
        while held.length >= whole:
            samples = held.joined()
            yield _window(index, core, samples[: before + core + after], last=False)
            held, index = _Held(samples[core:].copy()), index + 1
    if held.length > before or index:
        cells = max(1, (held.length - before) // EMBEDDING_HOP)
        missing = before + cells * EMBEDDING_HOP + after - held.length
        yield _window(index, core, np.pad(held.joined(), (0, max(0, missing))), last=True)


class _Held:
    """Blocks of samples, joined once: a decoder's are so short that joining each would copy a window 10,000 times."""

    def __init__(self, first: np.ndarray) -> None:
        self.blocks, self.length = [first], len(first)

    def add(self, block: np.ndarray) -> None:
        self.blocks.append(block)
        self.length += len(block)

    def joined(self) -> np.ndarray:
        return np.concatenate(self.blocks)


def _window(index: int, core: int, samples: np.ndarray, *, last: bool) -> Window:
    return Window(index, index * core // (EMBEDDING_HOP * STORED_STRIDE), samples, last)
