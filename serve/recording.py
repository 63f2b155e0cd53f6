"""A long recording → windows to embed one by one, whose embeddings together are those of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from ingest.fingerprint import (
    EMBEDDING_HOP,
    EMBEDDING_HOP_S,
    SAMPLE_RATE,
    AudioStream,
    Embeddings,
    Salience,
    TooShort,
    cut_windows,
)
from ingest.fingerprint.audio import Source
from ingest.fingerprint.peaks import MARGIN_FRAMES
from serve.clip import MIN_CLIP_S

SURROUNDING_CELLS = 16  # on either side of a window, about 2 s: more than an encoder hears around an embedding

Pcm = npt.NDArray[np.int16]


class Recording:
    """Something long, decoded window by window as it is asked for; `duration_s` is what was decoded so far.

    Iterating raises UnreadableAudio, NoAudioStream, TooLong beyond `max_s`, and TooShort.
    """

    def __init__(self, source: Source, *, window_s: float, max_s: float) -> None:
        self._blocks = AudioStream(source, max_s)
        self._window_s = window_s
        self._samples = 0

    @property
    def duration_s(self) -> float:
        return self._samples / SAMPLE_RATE

    def __iter__(self) -> Iterator[Pcm]:
        """Windows, int16 [T] between their surroundings."""
        for window in windows_of(self._counted(), self._window_s):
            if self.duration_s < MIN_CLIP_S:
                raise TooShort(f"{self.duration_s:.2f} s of audio; at least {MIN_CLIP_S} s are needed")
            yield window

    def _counted(self) -> Iterator[npt.NDArray[np.float32]]:
        for block in self._blocks:
            self._samples += len(block)
            yield block


def windows_of(blocks: Iterable[npt.NDArray[np.float32]], window_s: float) -> Iterator[Pcm]:
    """Windows of about `window_s`, int16 [T] between their surroundings, of float32 blocks [T]."""
    around = SURROUNDING_CELLS * EMBEDDING_HOP
    for window in cut_windows(blocks, (around, around), window_s):
        yield window.samples


def cells_of(window_s: float) -> int:
    """Embeddings that a window takes, surroundings included, at most."""
    return int(window_s / EMBEDDING_HOP_S) + 2 * SURROUNDING_CELLS + 8


def without_surroundings(embedded: Embeddings) -> Embeddings:
    """The embeddings of a window that are those of the whole."""
    cells = slice(SURROUNDING_CELLS, len(embedded) - SURROUNDING_CELLS)
    frames = len(embedded.salience.own()) // max(1, len(embedded))
    levels = embedded.salience.levels[cells.start * frames : cells.stop * frames + 2 * MARGIN_FRAMES]
    salience = Salience(levels, embedded.salience.frame_s, embedded.salience.semitone_bands)
    return Embeddings(embedded.vectors[cells], embedded.audible[cells], salience)
