"""The embeddings of the last seconds of something long, cut into overlapping stretches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from ingest.fingerprint.peaks import MARGIN_FRAMES, Salience
from serve.matching.contract import Bools, Floats, Query


@dataclass(frozen=True)
class Stretch:
    """A `Query` that is part of something longer: embedding n of it is embedding first + n of the whole."""

    first: int
    vectors: Floats  # [N, D]
    audible: Bools  # [N]
    salience: Salience

    @property
    def start_s(self) -> float:
        return self.first * EMBEDDING_HOP_S

    @property
    def length_s(self) -> float:
        return len(self.vectors) * EMBEDDING_HOP_S

    @property
    def middle_s(self) -> float:
        return self.start_s + self.length_s / 2


class Tape:
    """Embeddings [first, end) of the whole."""

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        self._vectors: Floats = np.empty((0, 0), np.float32)
        self._audible: Bools = np.empty(0, np.bool_)
        self._levels: np.ndarray = np.empty((0, 0), np.int8)  # without margins
        self._frame_s, self._semitone_bands = 1.0, 0.0

    def add(self, heard: Query) -> None:
        """What comes next."""
        if not len(heard.vectors):
            return
        levels = heard.salience.own()
        if self.end == self.first:
            self._vectors, self._audible, self._levels = heard.vectors, heard.audible, levels
            self._frame_s, self._semitone_bands = heard.salience.frame_s, heard.salience.semitone_bands
        else:
            self._vectors = np.concatenate([self._vectors, heard.vectors])
            self._audible = np.concatenate([self._audible, heard.audible])
            self._levels = np.concatenate([self._levels, levels])
        self.end += len(heard.vectors)

    def forget(self, before: int) -> None:
        """What lies before an embedding is not asked for any more."""
        gone = min(before, self.end) - self.first
        if gone <= 0:
            return
        self._levels = self._levels[gone * self._frames :].copy()
        self._vectors, self._audible = self._vectors[gone:].copy(), self._audible[gone:].copy()
        self.first += gone

    def stretch(self, first: int, end: int) -> Stretch:
        """Embeddings [first, end), or up to the last one; they must be on the tape. Beyond the tape it is silent."""
        own = slice(first - self.first, min(end, self.end) - self.first)
        start, stop = own.start * self._frames, own.stop * self._frames
        inside = self._levels[max(0, start - MARGIN_FRAMES) : stop + MARGIN_FRAMES]
        before = max(0, MARGIN_FRAMES - start)
        after = max(0, stop + MARGIN_FRAMES - len(self._levels))
        levels = np.pad(inside, ((before, after), (0, 0)))
        salience = Salience(levels, self._frame_s, self._semitone_bands)
        return Stretch(first, self._vectors[own], self._audible[own], salience)

    @property
    def _frames(self) -> int:
        """Of salience in an embedding."""
        return len(self._levels) // max(1, len(self._vectors))
