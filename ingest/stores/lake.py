"""The embeddings lake: Parquet files of whole windows, named by what they hold.

Letters: n segments of a window, N vectors, D dimensions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.stores.config import LakeConfig


@dataclass(frozen=True)
class LakeUnit:
    """The stored embeddings of one window of one recording.

    Shape: segments int32 [n] ascending; vectors float16 or float32 [n, D]. n may be 0 (a silent window).
    """

    recording_id: int
    window: int
    segments: npt.NDArray[np.int32]
    vectors: npt.NDArray[np.floating]


@dataclass(frozen=True)
class LakeReceipt:
    """A durable file: its name (relative to the encoder's folder), rows, and the SHA-256 of its bytes."""

    file: str
    rows: int
    checksum: str


@dataclass(frozen=True)
class LakeVectors:
    """What one file holds of the recordings asked for.

    Shape: keys int64 [N] ascending, vectors float32 [N, D].
    """

    keys: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


class Lake:
    """The lake of one catalogue: `<root>/<catalog>/<encoder[:16]>/<name>.parquet`. Errors are LakeError."""

    def write(self, encoder: str, units: Sequence[LakeUnit]) -> LakeReceipt:
        """Write units as one file, whole or not at all; the same units give the same name."""
        raise NotImplementedError

    def read(self, encoder: str, files_by_recording: Mapping[int, Sequence[str]]) -> Iterator[LakeVectors]:
        """The vectors of exactly the (recording, file) pairs named, a file at a time.

        Raises LakeError for a file that is missing, corrupt or of another encoder.
        """
        raise NotImplementedError

    def sweep(self, encoder: str, named: set[str]) -> list[str]:
        """Remove the files that no ledger row names (and leftovers of writes); the names removed, sorted."""
        raise NotImplementedError


def open_lake(config: LakeConfig, home: Path, catalog: str = "default") -> Lake:
    """The lake of a catalogue; nothing is written before the first write."""
    raise NotImplementedError
