"""A small catalogue of composed music, the ingest command, and what it left behind, for comparison."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest.config import EncoderConfig
from ingest.fingerprint import SEGMENT_BITS
from ingest.model import read_model
from ingest.stores import CatalogStore, MetadataConfig, Vectors, VectorsConfig, open_metadata, open_vectors
from scripts.music import compose
from scripts.music.files import FORMATS, Tags, write

ROOT = Path(__file__).parents[2]
SAMPLE_RATE = 16_000
FORMS = ("flac", "mp3", "wav", "opus", "aac")
# Small pools: these tests start many jobs on few cores.
SMALL = ("compute.decode_actors=1", "compute.object_store_mb=100", "progress.every_s=1")


def write_piece(folder: Path, seed: int, duration_s: float = 15.0) -> Path:
    """The piece of this seed as a tagged file, in one of five formats."""
    form = FORMATS[FORMS[seed % len(FORMS)]]
    path = folder / f"piece {seed:02d}{form.suffix}"
    samples = compose(seed, duration_s, SAMPLE_RATE)[None]
    write(path, samples, SAMPLE_RATE, Tags(f"Piece {seed}", "The Composer", "Tests", f"XXABC26{seed:05d}"), form)
    return path


def write_pieces(folder: Path, count: int, duration_s: float = 15.0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [write_piece(folder, seed, duration_s) for seed in range(count)]


def command(home: Path, music: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ingest", f"home={home}", "catalog=folder", f"catalog.path={music}"),
        *SMALL,
        *options,
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def ingest(home: Path, music: Path, *options: str, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(home, music, *options), capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, env=environment()
    )


@dataclass(frozen=True)
class Left:
    """What a home holds: by uri the keys of its vectors, and everything that a track's row says."""

    keys: Mapping[str, tuple[int, ...]]
    tracks: Mapping[str, tuple[object, ...]]
    vectors_stored: int


def left_in(home: Path, uris: list[str]) -> Left:
    """Read a home through its own stores; the keys are those that Milvus really returns."""
    encoder = read_model(EncoderConfig(weights=None)).checksum
    with open_metadata(MetadataConfig(), home) as metadata, open_vectors(VectorsConfig(), home) as vectors:
        catalog = metadata.catalog("default")
        generation = catalog.active_generation()
        assert generation is not None and generation.encoder == encoder
        return left_of(catalog, vectors, len(uris))


def left_on(metadata: MetadataConfig, vectors: VectorsConfig, name: str, files: int) -> Left:
    """The same of a catalogue on servers."""
    unused = Path("unused")
    with open_metadata(metadata, unused) as opened, open_vectors(vectors, unused) as store:
        return left_of(opened.catalog(name), store, files)


def left_of(catalog: CatalogStore, vectors: Vectors, files: int) -> Left:
    """What stores hold of a catalogue of at most so many files."""
    generation = catalog.active_generation()
    assert generation is not None
    tracks = [track for track in map(catalog.track, range(1, 1 + files)) if track is not None]
    keys: dict[str, tuple[int, ...]] = {}
    for track in tracks:
        held = vectors.fetch(generation.collection, possible_keys(track.recording_id), strong=True)
        keys[track.uri] = tuple(held.keys.tolist())
    rows = {t.uri: (t.track_id, t.recording_id, t.title, t.artist, t.isrc, t.duration_s) for t in tracks}
    return Left(keys, rows, vectors.count(generation.collection))


def named_files(home: Path) -> tuple[set[str], set[str]]:
    """Lake files that the ledger names, and those that lie in the lake."""
    encoder = read_model(EncoderConfig(weights=None)).checksum
    with open_metadata(MetadataConfig(), home) as metadata:
        named = metadata.catalog("default").named_lake_files(encoder)
    return named, {path.name for path in (home / "lake").rglob("*.parquet")}


def possible_keys(recording_id: int) -> np.ndarray:
    """More keys than a test's recording has segments."""
    return (recording_id << SEGMENT_BITS) + np.arange(2_000, dtype=np.int64)
