"""What an encoder says about a stretch of audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.fingerprint.grid import STORED_STRIDE


@dataclass(frozen=True)
class Embeddings:
    """vectors: float32 [N, D], unit length, vector n centred on (n + 0.5) · EMBEDDING_HOP_S.

    audible: bool [N], False where the crop around n is silent: such a vector says nothing.
    """

    vectors: np.ndarray
    audible: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def stored(self) -> tuple[np.ndarray, np.ndarray]:
        """What a catalogue keeps of them: (segments int32 [n], vectors float32 [n, D]), silence left out."""
        segments = np.flatnonzero(self.audible[::STORED_STRIDE]).astype(np.int32)
        return segments, self.vectors[::STORED_STRIDE][segments]
