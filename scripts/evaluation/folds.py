"""Two folds: each half of the held-out recordings is in the catalogue once, beside the rest, and unknown once.

The recordings are kept in the order half 0, those always in the catalogue, half 1. So the catalogue of a fold is one
stretch of them, and both folds share one array of vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.errors import ConfigurationError
from ingest.fingerprint import SEGMENT_BITS
from ingest.stores import StoredRows
from scripts.evaluation.listing import Skipped
from scripts.evaluation.tracks import EvaluatedTrack

FOLDS = (0, 1)
SIMULATED = "a simulated track"


@dataclass(frozen=True)
class Collection:
    """Track i is recording (and track) i + 1 of every index. `halves`: how many lie in half 0 and in half 1."""

    tracks: tuple[EvaluatedTrack, ...]
    halves: tuple[int, int]
    skipped: tuple[Skipped, ...] = ()

    def name_of(self, recording_id: int) -> str:
        """The track of a recording; those beyond the last are simulated."""
        return self.tracks[recording_id - 1].name if recording_id <= len(self.tracks) else SIMULATED

    def indexed(self, fold: int) -> range:
        """The tracks that fold's catalogue holds: all but the other half."""
        return range(self.halves[0], len(self.tracks)) if fold else range(len(self.tracks) - self.halves[1])

    def half(self, track: int) -> int | None:
        """The half of a held-out track."""
        if track < self.halves[0]:
            return 0
        return 1 if track >= len(self.tracks) - self.halves[1] else None

    def asked_about(self) -> list[int]:
        """The held-out tracks."""
        return [track for track in range(len(self.tracks)) if self.half(track) is not None]

    def rows(self) -> StoredRows:
        """Everything stored of all tracks."""
        stored = [track.stored() for track in self.tracks]
        keys = [(i + 1 << SEGMENT_BITS) + one.segments.astype(np.int64) for i, one in enumerate(stored)]
        return StoredRows(
            np.concatenate(keys),
            np.concatenate([one.vectors for one in stored]),
            np.concatenate([one.peaks for one in stored]),
        )

    def rows_of(self, fold: int) -> slice:
        """Those of `rows` that fold's catalogue holds."""
        counts = np.concatenate([[0], np.cumsum([track.segments for track in self.tracks])])
        indexed = self.indexed(fold)
        return slice(int(counts[indexed.start]), int(counts[indexed.stop]))


def in_two_folds(tracks: Sequence[EvaluatedTrack], skipped: Sequence[Skipped], seed: int) -> Collection:
    """Whole groups in two halves of about equal size, drawn by the seed. Raises ConfigurationError."""
    held_out = [track for track in tracks if track.held_out]
    sizes = Counter(track.group for track in held_out)
    if len(sizes) < 2:
        bad = f"; {len(skipped)} could not be used" if skipped else ""
        raise ConfigurationError(
            f"catalog.path holds {len(held_out)} recordings to ask about, from {len(sizes)} sources{bad}: "
            "two are needed, so that one can be unknown while the other is known"
        )
    halves: tuple[set[str], set[str]] = (set(), set())
    drawn = [sorted(sizes)[i] for i in np.random.default_rng([seed, 0]).permutation(len(sizes))]
    for group in sorted(drawn, key=lambda group: -sizes[group]):
        min(halves, key=lambda half: sum(sizes[name] for name in half)).add(group)
    first, second = ([track for track in held_out if track.group in half] for half in halves)
    always = [track for track in tracks if not track.held_out]
    return Collection((*first, *always, *second), (len(first), len(second)), tuple(skipped))
