"""Embeddings ↔ what goes over the wire. What comes in is a stranger's: it is counted and measured before it is used."""

import base64
import binascii

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ingest.fingerprint import EMBEDDING_HOP_S, Embeddings
from ingest.fingerprint import Salience as Levels
from ingest.fingerprint.peaks import MARGIN_FRAMES
from serve.problems import BadVectors
from serve.vector_schema import MOST_BANDS, Salience, VectorEncoding, VectorQuery

UNIT = 0.01  # by which a length may differ from 1
MOST_FRAMES_A_CELL = 32

Floats = npt.NDArray[np.float32]


def vectors_to_wire(vectors: Floats, encoding: VectorEncoding) -> str | list[list[float]]:
    """[N, D]"""
    if encoding == "base64":
        return base64.b64encode(np.ascontiguousarray(vectors, "<f4").tobytes()).decode("ascii")
    rows: list[list[float]] = vectors.round(7).tolist()
    return rows


def salience_to_wire(levels: Levels) -> Salience:
    encoded = base64.b64encode(np.ascontiguousarray(levels.levels, np.int8).tobytes()).decode("ascii")
    return Salience(levels=encoded, bands=levels.levels.shape[1], semitone_bands=levels.semitone_bands)


def parsed(body: bytes) -> VectorQuery:
    """Raises BadVectors."""
    try:
        return VectorQuery.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][:2]) or "body"
        raise BadVectors(f"{where}: {first['msg']}") from None


def embeddings_of(query: VectorQuery, dimension: int, most: int) -> Embeddings:
    """At most so many embeddings, ready to be matched. Raises BadVectors."""
    vectors = _vectors(query.vectors, dimension)
    if not 0 < len(vectors) <= most:
        raise BadVectors(f"{len(vectors)} vectors; between 1 and {most} are searched at once")
    audible = np.ones(len(vectors), bool) if query.audible is None else np.array(query.audible, bool)
    if audible.shape != (len(vectors),):
        raise BadVectors(f"audible: {len(audible)} values for {len(vectors)} vectors")
    return Embeddings(_unit(vectors, audible), audible, _levels(query.salience, len(vectors)))


def _vectors(told: str | list[list[float]], dimension: int) -> Floats:
    """[N, dimension]"""
    if isinstance(told, str):
        values = np.frombuffer(_bytes(told, "vectors", 4 * dimension), "<f4").astype(np.float32)
        return values.reshape(-1, dimension)
    if any(len(row) != dimension for row in told):
        raise BadVectors(f"vectors: the encoder's have {dimension} dimensions")
    with np.errstate(over="ignore"):
        return np.array(told, np.float32).reshape(-1, dimension)


def _unit(vectors: Floats, audible: npt.NDArray[np.bool_]) -> Floats:
    """The same at length 1, zeros where nothing is audible."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    off = audible & ~(np.abs(lengths[:, 0] - 1) <= UNIT)
    if off.any():
        raise BadVectors(f"vectors.{int(off.argmax())}: of length {lengths[off.argmax(), 0]:.3g}, not 1")
    scaled: Floats = np.zeros_like(vectors)
    scaled[audible] = vectors[audible] / lengths[audible]
    return scaled


def _levels(told: Salience | None, count: int) -> Levels:
    """For so many embeddings; silence where nothing is told. As wide as any stored peak, whatever was told."""
    if told is None:
        return Levels(np.zeros((count + 2 * MARGIN_FRAMES, MOST_BANDS), np.int8), EMBEDDING_HOP_S, 0.0)
    levels = np.frombuffer(_bytes(told.levels, "salience.levels", told.bands), np.int8).reshape(-1, told.bands)
    frames_a_cell, odd = divmod(len(levels) - 2 * MARGIN_FRAMES, count)
    if odd or not 1 <= frames_a_cell <= MOST_FRAMES_A_CELL:
        raise BadVectors(f"salience.levels: {len(levels)} frames do not belong to {count} vectors")
    wide = np.pad(levels, ((0, 0), (0, MOST_BANDS - told.bands)))
    return Levels(wide, EMBEDDING_HOP_S / frames_a_cell, told.semitone_bands)


def _bytes(told: str, name: str, row: int) -> bytes:
    """A whole number of rows of so many bytes."""
    try:
        found = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadVectors(f"{name}: not base64") from error
    if len(found) % row:
        raise BadVectors(f"{name}: {len(found)} bytes are no whole number of rows of {row}")
    return found
