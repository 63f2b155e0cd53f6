"""Embeddings over the wire, both ways."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ingest.fingerprint import EMBEDDING_HOP_S
from serve.schema import Query

MOST_BANDS = 128  # what a stored peak can name
VectorEncoding = Literal["base64", "list"]
Base64 = Annotated[str, Field(json_schema_extra={"format": "byte"})]
Vectors = Annotated[
    Base64 | list[list[float]],
    Field(description="[N, dimension], unit length: base64 of little-endian float32, row by row, or lists of numbers."),
]

_CHECKSUM = "f2c1d87a6a0f3f0f5b0a3f5f7d9a5d8c3f6f0c6c7e0a4f3b2d1c0b9a8f7e6d5c"
_VECTORS: dict[str, JsonValue] = {
    "encoder": _CHECKSUM,
    "start_s": 0.0,
    "audible": [True, True],
    "vectors": [[0.6, -0.8], [0.8, 0.6]],
    "salience": None,
}


_EMBEDDED: dict[str, JsonValue] = _VECTORS | {
    "query": {"duration_s": 0.5},
    "dimension": 2,
    "hop_s": EMBEDDING_HOP_S,
    "encoding": "list",
    "timings_ms": {"decode": 6.1, "embed": 11.9, "total": 19.0},
}


class Salience(BaseModel):
    """How far every moment and band rises above its neighbourhood; what an answer's second opinion is formed with."""

    levels: Base64 = Field(description="Base64 of int8, frame by frame, the bands of a frame from low to high.")
    bands: int = Field(description="Of a frame.", ge=1, le=MOST_BANDS)
    semitone_bands: float = Field(description="Bands that a semitone spans.", ge=0, le=12, allow_inf_nan=False)


class Embedded(BaseModel):
    """The embeddings of a clip. Vector n is centred on `start_s + (n + 0.5) · hop_s` of what was sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EMBEDDED]})

    query: Query
    encoder: str = Field(description="Checksum of the encoder: vectors of another one cannot be compared with these.")
    dimension: int
    hop_s: float = Field(description="Seconds from one vector to the next.")
    start_s: float = Field(description="Where the first vector's cell begins in what was sent.", ge=0)
    audible: list[bool] = Field(description="[N]; false where it is silent: such a vector says nothing.")
    encoding: VectorEncoding
    vectors: Vectors
    salience: Salience | None = None
    timings_ms: dict[str, float] = Field(description="decode, embed and total.")


class VectorQuery(BaseModel):
    """Embeddings to search for: what `/v1/embed` answers, whole, or of it what is known."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VECTORS]})

    encoder: str = Field(description="Checksum of the encoder that made them.", max_length=200)
    vectors: Vectors
    audible: list[bool] | None = Field(default=None, description="[N]; by default all are.")
    start_s: float = Field(
        default=0.0,
        description="Where they begin in the clip; `offset_s` speaks of its first sample.",
        ge=0,
        le=1e6,
    )
    salience: Salience | None = Field(
        default=None, description="Without it there is no second opinion, and confidence is lower."
    )
