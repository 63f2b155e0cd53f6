"""Bytes → waveform → spectrogram → embeddings. Free of Ray and of configuration files; four callers share it.

    grid        the time grid and the vector keys
    audio       any format FFmpeg opens → mono samples, streamed
    tags        title, artist, album and ISRC inside a file
    windows     a stream of samples → overlapping windows of bounded size
    silence     which moments say nothing
    denoise     optional, for queries
    architecture  what an encoder is made of, as data
    frontend    samples → log-frequency bands
    network     bands → unit vectors
    salience    bands → what rises above its neighbourhood
    peaks       what of that a catalogue keeps, and how it is written down
    encoder     front end and network, and the file they are kept in
    embedder    waveforms → embeddings, in chunks, on CPU or GPU

`Embedder` is imported on first use: it brings torch, which decoding does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.errors import (
    BadInput,
    ConfigurationError,
    MissingFile,
    NoAudioStream,
    RefrainError,
    SilentAudio,
    TooLong,
    TooShort,
    UnreadableAudio,
)
from ingest.fingerprint.audio import AudioStream, DecodedAudio, decode
from ingest.fingerprint.denoise import denoise, denoise_blocks
from ingest.fingerprint.embeddings import Embeddings, StoredSegments
from ingest.fingerprint.grid import (
    EMBEDDING_DIM,
    EMBEDDING_HOP,
    EMBEDDING_HOP_S,
    SAMPLE_RATE,
    SEGMENT_BITS,
    SEGMENT_HOP,
    SEGMENT_HOP_S,
    STORED_STRIDE,
    split_key,
    vector_key,
)
from ingest.fingerprint.peaks import NO_PEAK, PEAKS_A_SEGMENT, Salience, peaks_from_text, peaks_to_text
from ingest.fingerprint.tags import Tags, read_tags
from ingest.fingerprint.windows import Window, cut_windows

if TYPE_CHECKING:
    from ingest.fingerprint.embedder import Embedder

__all__ = [
    "EMBEDDING_DIM",
    "EMBEDDING_HOP",
    "EMBEDDING_HOP_S",
    "NO_PEAK",
    "PEAKS_A_SEGMENT",
    "SAMPLE_RATE",
    "SEGMENT_BITS",
    "SEGMENT_HOP",
    "SEGMENT_HOP_S",
    "STORED_STRIDE",
    "AudioStream",
    "BadInput",
    "ConfigurationError",
    "DecodedAudio",
    "Embedder",
    "Embeddings",
    "MissingFile",
    "NoAudioStream",
    "RefrainError",
    "Salience",
    "SilentAudio",
    "StoredSegments",
    "Tags",
    "TooLong",
    "TooShort",
    "UnreadableAudio",
    "Window",
    "cut_windows",
    "decode",
    "denoise",
    "denoise_blocks",
    "peaks_from_text",
    "peaks_to_text",
    "read_tags",
    "split_key",
    "vector_key",
]


def __getattr__(name: str) -> Any:
    if name == "Embedder":
        from ingest.fingerprint.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
