"""A few files looked into: how long they play by their headers, and what reading, decoding and embedding them takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ingest.catalog import locate, open_file
from ingest.census import Kind
from ingest.config import CatalogConfig, IngestConfig
from ingest.errors import BadInput, InfrastructureError, MissingFile
from ingest.fingerprint import SAMPLE_RATE, AudioStream
from ingest.stores import SourceFile

HEADERS_OPENED = 64  # files whose duration is read; the others are reckoned from their size
DECODED_FILES, DECODED_S = 8, 60.0  # of each at most so much


@dataclass
class Rate:
    """What the headers of some files of one suffix add up to."""

    files: int = 0
    size_bytes: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True)
class Measured:
    """Seconds of one CPU (and of waiting for the source) that a second of audio takes in the two heavy stages."""

    files: int
    audio_s: float
    decode_s_per_s: float
    embed_s_per_s: float


def bytes_per_second(config: CatalogConfig, kinds: Mapping[str, Kind]) -> dict[str, Rate]:
    """Size and duration of a few files of every suffix."""
    rates: dict[str, Rate] = {}
    for name, kind in kinds.items():
        rate = Rate()
        for file in kind.sample[: max(1, HEADERS_OPENED // len(kinds))]:
            duration_s = header_duration_s(config, file.uri)
            if duration_s:
                rate.files += 1
                rate.size_bytes += file.size_bytes
                rate.duration_s += duration_s
        if rate.files:
            rates[name] = rate
    return rates


def header_duration_s(config: CatalogConfig, uri: str) -> float | None:
    """The duration that a file's header claims; None if it has none or cannot be opened."""
    try:
        with open_file(config, locate(config, uri)) as file, av.open(file, mode="r") as container:
            return container.duration / av.time_base if container.duration else None
    except (av.FFmpegError, MissingFile, InfrastructureError, OSError, ValueError):
        return None


def measure(config: IngestConfig, kinds: Mapping[str, Kind]) -> Measured | None:
    """Decode and embed the beginnings of a few files, one after the other on one core; None if none can be decoded."""
    chosen = list(_across(kinds))
    if not chosen:
        return None
    from ingest.fingerprint.embedder import Embedder  # brings torch, which only this waits for

    weights = Path(config.encoder.weights) if config.encoder.weights else None
    embedder = Embedder.load(weights, threads=1, silence_dbfs=config.audio.silence_dbfs)
    embedder.embed(np.zeros(SAMPLE_RATE, np.float32))  # what is made on first use is not the work's cost
    files, audio_s, decode_s, embed_s = 0, 0.0, 0.0, 0.0
    for file in chosen:
        started = time.perf_counter()
        samples = _beginning(config.catalog, file)
        decoded = time.perf_counter()
        if samples is None:
            continue
        embedder.embed(samples)
        embed_s += time.perf_counter() - decoded
        decode_s += decoded - started
        audio_s += len(samples) / SAMPLE_RATE
        files += 1
    return Measured(files, audio_s, decode_s / audio_s, embed_s / audio_s) if audio_s else None


def _across(kinds: Mapping[str, Kind]) -> Iterator[SourceFile]:
    """So many files as kinds have shares of all audio, each kind at least once."""
    total = sum(kind.size_bytes for kind in kinds.values())
    for kind in kinds.values():
        yield from kind.sample[: max(1, round(DECODED_FILES * kind.size_bytes / max(total, 1)))]


def _beginning(config: CatalogConfig, file: SourceFile) -> np.ndarray | None:
    blocks: list[np.ndarray] = []
    wanted = round(DECODED_S * SAMPLE_RATE)
    try:
        with open_file(config, locate(config, file.uri)) as opened:
            for block in AudioStream(opened):
                blocks.append(block)
                wanted -= len(block)
                if wanted <= 0:
                    break
    except (BadInput, InfrastructureError, OSError, ValueError):
        return None
    return np.concatenate(blocks) if blocks else None
