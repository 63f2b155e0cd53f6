"""Audio for training, decoded once to 8 kHz mono and kept in memory as 16-bit samples."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ingest.errors import BadInput
from ingest.fingerprint.audio import decode
from ingest.fingerprint.grid import SAMPLE_RATE
from ingest.fingerprint.pcm import to_float, to_int16

AUDIO_SUFFIXES = frozenset({".opus", ".ogg", ".mp3", ".flac", ".wav", ".m4a", ".wma", ".aiff", ".mp4"})


@dataclass(frozen=True)
class Corpus:
    """Named waveforms. `samples[i]` is int16 [T]."""

    names: tuple[str, ...]
    samples: tuple[np.ndarray, ...]

    def hours(self) -> float:
        return sum(len(x) for x in self.samples) / SAMPLE_RATE / 3600

    def without(self, names: Iterable[str]) -> Corpus:
        """The corpus less the recordings whose file stem is in `names`."""
        left_out = set(names)
        return self.only(i for i, name in enumerate(self.names) if Path(name).stem not in left_out)

    def only(self, indices: Iterable[int]) -> Corpus:
        kept = list(indices)
        return Corpus(tuple(self.names[i] for i in kept), tuple(self.samples[i] for i in kept))


def load_corpus(paths: Sequence[Path], cache: Path | None = None) -> Corpus:
    """Decode `paths`; with `cache`, a folder, later calls with the same files read one .npz instead."""
    key = hashlib.sha256("\n".join(f"{p}:{p.stat().st_size}" for p in paths).encode()).hexdigest()[:16]
    stored = cache / f"corpus-{key}.npz" if cache else None
    if stored and stored.exists():
        with np.load(stored) as archive:
            samples = tuple(archive[f"a{i}"] for i in range(len(paths)))
    else:
        samples = tuple(_int16(path) for path in paths)
        if stored:
            _store(stored, samples)
    return Corpus(tuple(str(p) for p in paths), samples)


def folder_audio(folder: Path) -> list[Path]:
    """Audio files below `folder`, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)


def split_audio(catalogue: Path, split: str) -> list[Path]:
    """Files of one split of a CSV with the columns `file` and `split`, relative to its folder."""
    with catalogue.open(newline="", encoding="utf-8") as lines:
        rows = [row["file"] for row in csv.DictReader(lines) if row["split"] == split]
    return sorted(catalogue.parent / name for name in rows)


def stretch(samples: np.ndarray, start: int, length: int) -> np.ndarray:
    """float32 [length] of int16 samples from `start`, which may lie outside: zeros stand there."""
    out = np.zeros(length, np.float32)
    first, last = max(0, start), min(len(samples), start + length)
    if first < last:
        out[first - start : last - start] = to_float(samples[first:last])
    return out


def _int16(path: Path) -> np.ndarray:
    try:
        return to_int16(decode(path).samples)
    except BadInput as error:
        raise type(error)(f"{path}: {error}") from error


def _store(path: Path, samples: Sequence[np.ndarray]) -> None:
    """Whole or not at all: an archive that breaks off would be read the next time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    arrays: dict[str, Any] = {f"a{i}": x for i, x in enumerate(samples)}
    np.savez(unfinished, **arrays)
    unfinished.replace(path)
