"""Recordings decoded and embedded once, as a job would, and kept on disk: every process maps the same files.

out/audio/<file>.npy           int16 [T] at 8 kHz
out/embeddings/<encoder>/<file>.npz   what a catalogue stores: segments, vectors in half precision, peaks
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ingest.config import AudioConfig
from ingest.errors import BadInput, MissingFile, SilentAudio, TooShort
from ingest.fingerprint import SAMPLE_RATE, Embedder, StoredSegments, decode, denoise_blocks
from ingest.fingerprint.pcm import to_float, to_int16
from scripts.evaluation.listing import Listed, Skipped
from scripts.evaluation.sources import checksum_of
from scripts.evaluation.workers import each


@dataclass(frozen=True)
class EvaluatedTrack:
    """A recording with what the catalogue stores of it, `segments` rows."""

    name: str
    group: str
    held_out: bool
    samples: int
    segments: int
    audio_file: Path
    stored_file: Path

    @property
    def duration_s(self) -> float:
        return self.samples / SAMPLE_RATE

    def waveform(self) -> np.ndarray:
        """int16 [T], mapped from disk."""
        return mapped(self.audio_file)

    def stored(self) -> StoredSegments:
        with np.load(self.stored_file) as archive:
            return StoredSegments(archive["segments"], archive["vectors"].astype(np.float32), archive["peaks"])


@dataclass(frozen=True)
class Preparation:
    """How recordings are read and embedded; `checksum` is the encoder's."""

    out: Path
    weights: Path | None
    checksum: str
    device: str
    audio: AudioConfig

    @property
    def embeddings(self) -> Path:
        told = checksum_of([self.checksum, repr(sorted(asdict(self.audio).items()))], "ingest/fingerprint")
        return self.out / "embeddings" / f"{self.checksum[:12]}-{told[:12]}"


def prepare_tracks(
    listed: Sequence[Listed], preparation: Preparation, processes: int, say: Callable[[str], None]
) -> tuple[list[EvaluatedTrack], list[Skipped]]:
    """Every recording that can be used, in the order listed, and those that cannot with the reason."""
    found: dict[str, EvaluatedTrack | Skipped] = {}
    for number, (one, track) in enumerate(each(partial(prepare, preparation), listed, processes), 1):
        found[one.name] = track
        if number % 100 == 0 or number == len(listed):
            say(f"{number} of {len(listed)} recordings read and embedded")
    ordered = [found[one.name] for one in listed]
    return (
        [one for one in ordered if isinstance(one, EvaluatedTrack)],
        [one for one in ordered if isinstance(one, Skipped)],
    )


def prepare(preparation: Preparation, listed: Listed) -> EvaluatedTrack | Skipped:
    """Decode and embed one recording, unless it lies there already."""
    try:
        audio = decoded(listed.path, preparation.out, preparation.audio.max_hours * 3600)
        waveform = mapped(audio)
        if len(waveform) < preparation.audio.min_s * SAMPLE_RATE:
            raise TooShort(f"{len(waveform) / SAMPLE_RATE:.2f} s of audio")
        stored = preparation.embeddings / f"{audio.stem}.npz"
        if not stored.exists():
            embed_into(stored, waveform, preparation)
        with np.load(stored) as archive:
            segments = len(archive["segments"])
        if not segments:
            raise SilentAudio("nothing in it is louder than silence")
    except BadInput as error:
        return Skipped(listed.name, error.code, str(error))
    return EvaluatedTrack(listed.name, listed.group, listed.held_out, len(waveform), segments, audio, stored)


def decoded(path: Path, out: Path, max_s: float | None = None) -> Path:
    """The waveform of a file, int16, in a file below `out`. Raises BadInput."""
    try:
        state = path.stat()
    except OSError as error:
        raise MissingFile(f"cannot be read: {error.strerror}") from error
    key = hashlib.sha256(f"{path.absolute()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:24]
    kept = out / "audio" / f"{key}.npy"
    if not kept.exists():
        samples = to_int16(decode(path, max_s=max_s).samples)
        _write(kept, partial(np.save, arr=samples))
    return kept


@lru_cache(maxsize=256)
def mapped(path: Path) -> np.ndarray:
    """An array in a .npy file, read as it is needed."""
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def embed_into(path: Path, waveform: np.ndarray, preparation: Preparation) -> None:
    """What a job would store of int16 [T], rounded as the lake rounds it."""
    audio = preparation.audio
    embedder = _embedder(preparation.weights, preparation.device, audio.silence_dbfs)
    samples = np.asarray(waveform)
    if audio.denoise:
        samples = to_int16(np.concatenate(list(denoise_blocks([to_float(samples)]))))
    stored = embedder.embed(samples).stored()
    arrays: dict[str, Any] = {
        "segments": stored.segments,
        "vectors": stored.vectors.astype(np.float16),
        "peaks": stored.peaks,
    }
    _write(path, partial(np.savez, **arrays))


@lru_cache(maxsize=1)
def _embedder(weights: Path | None, device: str, silence_dbfs: float) -> Embedder:
    return Embedder.load(weights, device=device, silence_dbfs=silence_dbfs)


def _write(path: Path, save: Callable[[Path], None]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.tmp{path.suffix}")
    save(unfinished)
    unfinished.replace(path)
