"""What an encoder says about a stretch of audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import STORED_STRIDE
from ingest.fingerprint.peaks import Salience, peaks_of


@dataclass(frozen=True)
class StoredSegments:
    """What a catalogue keeps of some audio, silence left out; n segments.

    segments int32 [n] ascending, vectors float32 [n, D], peaks uint16 [n, PEAKS_A_SEGMENT].
    """

    segments: np.ndarray
    vectors: np.ndarray
    peaks: np.ndarray


@dataclass(frozen=True)
class Embeddings:
    """vectors: float32 [N, D], unit length, vector n centred on (n + 0.5) · EMBEDDING_HOP_S.

    audible: bool [N], False where the crop around n is silent: such a vector says nothing.
    salience: of the same N cells, a whole number of frames each.
    """

    vectors: np.ndarray
    audible: np.ndarray
    salience: Salience

    def __len__(self) -> int:
        return len(self.vectors)

    def stored(self) -> StoredSegments:
        """What a catalogue keeps: every STORED_STRIDE-th vector and the peaks up to the next, silence left out."""
        segments = np.flatnonzero(self.audible[::STORED_STRIDE]).astype(np.int32)
        frames_a_cell = len(self.salience.own()) // max(1, len(self.vectors))
        peaks = peaks_of(self.salience, segments, STORED_STRIDE * frames_a_cell)
        return StoredSegments(segments, self.vectors[::STORED_STRIDE][segments], peaks)
