"""The embeddings lake: Parquet files of whole windows, named by what they hold.

    <root>/<catalog>/<encoder[:16]>/<SHA-256 of the (recording, window) keys>.parquet
    recording_id int64 · window int32 · segment int32 · vector float16 [D] · peaks uint16 [P]
    sorted by the first three

A file counts when a ledger row names it; anything else is what a killed job left behind, and is swept.
Letters: n segments of a window, N vectors, D dimensions, P = PEAKS_A_SEGMENT.
"""

import hashlib
import io
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.errors import LakeError
from ingest.fingerprint.grid import SEGMENT_BITS
from ingest.fingerprint.peaks import PEAKS_A_SEGMENT
from ingest.stores.config import LakeConfig, check_catalog_name
from ingest.stores.files import StoredFiles

SCHEMA_VERSION = "2"
COLUMNS = ["recording_id", "window", "segment", "vector", "peaks"]
SUFFIX = ".parquet"
ENCODER_KEY, VERSION_KEY = b"refrain.encoder", b"refrain.schema"


@dataclass(frozen=True)
class LakeUnit:
    """The stored embeddings and spectral peaks of one window of one recording.

    Shape: segments int32 [n] ascending; vectors float16 or float32 [n, D]; peaks uint16 [n, P]. n may be 0 (a silent
    window).
    """

    recording_id: int
    window: int
    segments: npt.NDArray[np.int32]
    vectors: npt.NDArray[np.floating]
    peaks: npt.NDArray[np.uint16]


@dataclass(frozen=True)
class LakeReceipt:
    """A durable file: its name (relative to the encoder's folder), rows, and the SHA-256 of its bytes."""

    file: str
    rows: int
    checksum: str


@dataclass(frozen=True)
class LakeVectors:
    """What one file holds of the recordings asked for.

    Shape: keys int64 [N] ascending, vectors float32 [N, D], peaks uint16 [N, P].
    """

    keys: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    peaks: npt.NDArray[np.uint16]


class Lake:
    """The lake of one catalogue; may be pickled to workers. Errors are LakeError."""

    def __init__(self, files: StoredFiles) -> None:
        self._files = files

    def write(self, encoder: str, units: Sequence[LakeUnit]) -> LakeReceipt:
        """Write units as one file, whole or not at all; the same units give the same name."""
        ordered = sorted(units, key=lambda unit: (unit.recording_id, unit.window))
        keys = [(unit.recording_id, unit.window) for unit in ordered]
        if not keys or len(set(keys)) < len(keys):
            raise LakeError("a lake file wants units, each of them once")
        name = hashlib.sha256(b"".join(struct.pack("<qi", *key) for key in keys)).hexdigest() + SUFFIX
        buffer = io.BytesIO()
        table = _table(encoder, ordered)
        dictionary = COLUMNS[:2]
        pq.write_table(table, buffer, compression="zstd", use_dictionary=dictionary, write_page_checksum=True)
        content = buffer.getvalue()
        self._files.write(f"{_folder(encoder)}/{name}", content)
        return LakeReceipt(name, table.num_rows, hashlib.sha256(content).hexdigest())

    def read(self, encoder: str, files_by_recording: Mapping[int, Sequence[str]]) -> Iterator[LakeVectors]:
        """The vectors of exactly the (recording, file) pairs named, a file at a time.

        Raises LakeError for a file that is missing, corrupt or of another encoder.
        """
        recordings_by_file: dict[str, list[int]] = defaultdict(list)
        for recording_id, names in files_by_recording.items():
            for name in names:
                recordings_by_file[name].append(recording_id)
        for name, recording_ids in sorted(recordings_by_file.items(), key=lambda item: (min(item[1]), item[0])):
            table = self._read_table(f"{_folder(encoder)}/{name}", encoder)
            wanted = pc.is_in(table["recording_id"], pa.array(recording_ids, pa.int64()))
            yield _vectors(table.filter(wanted))

    def probe(self, encoder: str) -> None:
        """Can it be written, read and swept? Raises LakeError."""
        self._files.below(_folder(encoder)).probe()

    def sweep(self, encoder: str, named: set[str]) -> list[str]:
        """Remove the files that no ledger row names (and leftovers of writes); the names removed, sorted.

        Only for the holder of the catalogue's lock: a file is written before its row.
        """
        folder = _folder(encoder)
        unnamed = sorted(set(self._files.names(folder)) - named)
        for name in unnamed:
            self._files.remove(f"{folder}/{name}")
        return unnamed

    def _read_table(self, path: str, encoder: str) -> pa.Table:
        content = self._files.read(path)
        try:
            table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise LakeError(f"{self._files.place(path)} is corrupt: {str(error).splitlines()[0]}") from error
        metadata = table.schema.metadata or {}
        if metadata.get(VERSION_KEY) != SCHEMA_VERSION.encode() or not _is_ours(table.schema):
            raise LakeError(f"{self._files.place(path)} has a schema that this version does not read")
        if metadata.get(ENCODER_KEY) != encoder.encode():
            raise LakeError(f"{self._files.place(path)} was written by another encoder")
        return table


def open_lake(config: LakeConfig, home: Path, catalog: str = "default") -> Lake:
    """The lake of a catalogue; nothing is written before the first write.

    Raises ConfigurationError for a path of a kind that is not installed.
    """
    files = StoredFiles.open(config.uri or home / "lake", LakeError, "lake.uri")
    return Lake(files.below(check_catalog_name(catalog)))


def _folder(encoder: str) -> str:
    return encoder[:16]


def _table(encoder: str, units: Sequence[LakeUnit]) -> pa.Table:
    for unit in units:
        if unit.vectors.ndim != 2 or unit.segments.shape != unit.vectors.shape[:1]:
            raise LakeError(f"recording {unit.recording_id}: segments and vectors do not fit")
        if unit.peaks.dtype != np.uint16 or unit.peaks.shape != (len(unit.segments), PEAKS_A_SEGMENT):
            raise LakeError(f"recording {unit.recording_id}: segments and peaks do not fit")
    counts = [len(unit.segments) for unit in units]
    with np.errstate(over="ignore"):  # looked at below
        vectors = np.concatenate([unit.vectors for unit in units]).astype(np.float16)
    if not np.isfinite(vectors).all():
        raise LakeError("a vector is not finite in float16")
    peaks = np.concatenate([unit.peaks for unit in units])
    return pa.table(
        [
            np.repeat(np.array([unit.recording_id for unit in units], np.int64), counts),
            np.repeat(np.array([unit.window for unit in units], np.int32), counts),
            np.concatenate([unit.segments for unit in units]).astype(np.int32),
            pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
            pa.FixedSizeListArray.from_arrays(pa.array(peaks.ravel()), PEAKS_A_SEGMENT),
        ],
        names=COLUMNS,
        metadata={ENCODER_KEY: encoder.encode(), VERSION_KEY: SCHEMA_VERSION.encode()},
    )


def _is_ours(schema: pa.Schema) -> bool:
    types = [pa.int64(), pa.int32(), pa.int32()]
    if schema.names != COLUMNS or schema.types[:3] != types:
        return False
    vector, peaks = schema.types[3:]
    return bool(
        pa.types.is_fixed_size_list(vector)
        and vector.value_type == pa.float16()
        and pa.types.is_fixed_size_list(peaks)
        and (peaks.value_type, peaks.list_size) == (pa.uint16(), PEAKS_A_SEGMENT)
    )


def _vectors(table: pa.Table) -> LakeVectors:
    keys = table["recording_id"].to_numpy() << SEGMENT_BITS | table["segment"].to_numpy()
    order = np.argsort(keys, kind="stable")
    vectors, peaks = (_rows(table, name)[order] for name in ("vector", "peaks"))
    return LakeVectors(keys[order], vectors.astype(np.float32), peaks)


def _rows(table: pa.Table, column: str) -> npt.NDArray[Any]:
    """A column of lists of one size as an array, a row each."""
    flat: npt.NDArray[Any] = table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, table.schema.field(column).type.list_size)
