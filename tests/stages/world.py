"""A folder of good and bad files, and the stages over it as plain classes."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ingest.config import AudioConfig, CatalogConfig
from ingest.decode import DecodeFiles
from ingest.embed import EmbedWindows
from ingest.fingerprint.architecture import read_architecture
from ingest.fingerprint.encoder import save_encoder
from ingest.rows import WORK_SCHEMA, table
from ingest.sink import WriteLake
from ingest.stores import LakeConfig
from tests.fingerprint.encoders import NARROW, lively_encoder
from tests.fingerprint.signals import Form, encode, melody, tone_file, video_file

GOOD = {"long.flac": 30.0, "song.mp3": 9.0, "short.wav": 2.0}  # seconds
BAD = {
    "empty.mp3": "unreadable",
    "mute.mp4": "no_audio_stream",
    "scrap.wav": "too_short",
    "text.mp3": "unreadable",
    "gone.wav": "missing",
    "folder.wav": "missing",
}


def write_music(folder: Path) -> None:
    """Every file of GOOD and BAD, a silent one and one that breaks off."""
    forms = {
        ".flac": Form("flac", "flac", 8_000),
        ".mp3": Form("mp3", "libmp3lame"),
        ".wav": Form("wav", "pcm_s16le", 8_000),
    }
    for number, (name, seconds) in enumerate(GOOD.items()):
        form = forms[Path(name).suffix]
        (folder / name).write_bytes(encode(melody(seconds, seed=number, rate=form.rate)[None], form))
    whole = tone_file(Form("flac", "flac", 8_000), 700.0, 12.0)
    (folder / "broken.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "silent.wav").write_bytes(encode(np.zeros((1, 40_000), np.float32), forms[".wav"]))
    (folder / "scrap.wav").write_bytes(encode(melody(0.4)[None], forms[".wav"]))
    (folder / "text.mp3").write_text("these are words\n" * 400)
    (folder / "empty.mp3").touch()
    (folder / "mute.mp4").write_bytes(video_file())
    (folder / "folder.wav").mkdir()


def decoder(clock: Callable[[], float] | None = None, timeout_s: float = 60.0, **audio: Any) -> DecodeFiles:
    settings = {"silence_dbfs": -60.0, "window_s": 4.0, "min_s": 1.0, "max_hours": 24.0, "denoise": False} | audio
    catalog = CatalogConfig("folder", "", "default", [], None, False)
    arguments = (catalog, AudioConfig(**settings), NARROW.padding, timeout_s)
    return DecodeFiles(*arguments, clock=clock) if clock else DecodeFiles(*arguments)


def work(paths: Iterable[Path]) -> pa.Table:
    """Files as rows of WORK_SCHEMA, numbered from 1."""
    return table([{"recording_id": i, "uri": str(path)} for i, path in enumerate(paths, 1)], WORK_SCHEMA)


def stored_encoder(folder: Path) -> Path:
    """The weights of a small lively encoder."""
    torch.set_num_threads(1)
    path = folder / "encoder.safetensors"
    if not path.exists():
        save_encoder(lively_encoder(NARROW), path)
    return path


def embedder(weights: Path) -> EmbedWindows:
    return EmbedWindows(str(weights), read_architecture(weights)[1], "cpu", 1, -60.0)


def sink(home: Path, weights: Path) -> WriteLake:
    return WriteLake(LakeConfig(uri=None), home, "default", read_architecture(weights)[1], NARROW.network.dim)


def batches(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """What Ray Data would hand to a stage that takes so many rows at a time."""
    joined = pa.concat_tables(list(tables))
    for start in range(0, len(joined), rows):
        yield joined.slice(start, rows)
