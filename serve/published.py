"""Which recordings are published, and as which tracks: two arrays in memory, 16 bytes a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ingest.stores import PublishedChanges

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Published:
    """What a catalogue answers with, as of one publication.

    Shape: recording_ids int64 [N] ascending; track_ids int64 [N].
    """

    number: int
    recording_ids: Ints
    track_ids: Ints

    @classmethod
    def nothing(cls) -> Self:
        """Before the first publication."""
        return cls(0, np.empty(0, np.int64), np.empty(0, np.int64))

    def after(self, changes: PublishedChanges) -> Published:
        """As of a later publication."""
        stays = ~np.isin(self.track_ids, changes.track_ids)
        comes = changes.recording_ids >= 0
        recordings = np.concatenate([self.recording_ids[stays], changes.recording_ids[comes]])
        tracks = np.concatenate([self.track_ids[stays], changes.track_ids[comes]])
        order = np.argsort(recordings)
        return Published(changes.number, recordings[order], tracks[order])

    def among(self, recording_ids: Sequence[int]) -> dict[int, int]:
        """recording id: track id, of those that are published."""
        if not len(self.recording_ids):
            return {}
        wanted = np.asarray(recording_ids, np.int64)
        places = np.minimum(np.searchsorted(self.recording_ids, wanted), len(self.recording_ids) - 1)
        found = self.recording_ids[places] == wanted
        return dict(zip(wanted[found].tolist(), self.track_ids[places[found]].tolist(), strict=True))
