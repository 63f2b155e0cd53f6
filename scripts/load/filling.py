"""A Milvus server and a MariaDB filled with the material as a job does, and kept for the next time.

home/<settings>/    a folder for each kind of filling
    milvus/ mysql/  the servers' own
    home/           the lake that they were filled from
    filled.json     what filling took; written last
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from conf import compose
from ingest.config import IngestConfig
from ingest.fingerprint.grid import EMBEDDING_DIM, SEGMENT_HOP_S
from ingest.model import Model
from ingest.stores import CatalogStore, Done, Lake, LakeUnit, SourceFile, open_lake, open_metadata
from scripts.bulk_cost import Loading, load
from scripts.evaluation.distractors import SimulatedTracks
from scripts.evaluation.session import say
from scripts.load.material import Material
from scripts.load.options import LoadConfig
from scripts.services import mariadb, milvus

DATABASE = "load"
LAKE_RECORDINGS = 200  # in one file of the lake
SIMULATED = "simulated/"  # begins the uris of tracks that do not exist


def filled(config: LoadConfig, material: Material) -> Path:
    """The folder of servers that hold the material, filled now if they are not there. Raises InfrastructureError."""
    folder = config.home_path / _key(config, material)
    if not (folder / "filled.json").exists():
        say(f"filling {folder} with {config.vectors:,} vectors")
        with ExitStack() as opened:
            database = opened.enter_context(mariadb(folder / "mysql"))
            server = opened.enter_context(milvus(folder / "milvus"))
            loading = _fill(config, material, folder, f"{database}/{DATABASE}", server)
        (folder / "filled.json").write_text(json.dumps(asdict(loading)), encoding="utf-8")
    return folder


def loading_of(folder: Path) -> Loading:
    """What filling took."""
    return Loading(**json.loads((folder / "filled.json").read_text(encoding="utf-8")))


def _key(config: LoadConfig, material: Material) -> str:
    """Equal where equal collections come out."""
    tracks = [(track.name, str(track.stored_file.name)) for track in material.known()]
    told = [material.checksum, config.vectors, config.index, config.seed, tracks]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def _fill(config: LoadConfig, material: Material, folder: Path, database: str, server: str) -> Loading:
    options = [f"home={folder / 'home'}", "catalog.path=synthetic", "compute=cluster", "vectors=milvus"]
    options += [f"vectors.uri={server}", f"vectors.index={config.index}", f"vectors.import_uri={folder / 'imports'}"]
    options += ["metadata=mysql", f"metadata.url={database}"]
    job = compose("ingest", options, IngestConfig)
    simulated = simulated_sizes(material.simulated, config.vectors - sum(one.segments for one in material.known()))
    with open_metadata(job.metadata, job.home_dir) as metadata:
        catalog = metadata.catalog(job.catalog.name)
        catalog.register(_listing(material, len(simulated)), "run")
        lake = open_lake(job.lake, job.home_dir, job.catalog.name)
        _commit(catalog, lake, material, simulated)
    return load(job, Model(material.checksum, (0, 0), EMBEDDING_DIM))


def simulated_sizes(simulated: SimulatedTracks, vectors: int) -> list[int]:
    """How many vectors of each simulated track are taken, so that all together are `vectors`; the last is cut."""
    sizes: list[int] = []
    while vectors > 0:
        sizes.append(min(vectors, len(simulated.peaks(len(sizes)))))
        vectors -= sizes[-1]
    return sizes


def _listing(material: Material, simulated: int) -> Iterator[SourceFile]:
    for track in material.known():
        yield SourceFile(track.name, "1", 2 * track.samples, title=track.name)
    for number in range(simulated):
        yield SourceFile(f"{SIMULATED}{number:08}", "1", 1, title=f"Simulated {number}")


def _commit(catalog: CatalogStore, lake: Lake, material: Material, simulated: list[int]) -> None:
    """Everything that is listed into the lake, and into the ledger as done."""
    known = {track.name: track for track in material.known()}

    def unit(recording_id: int, uri: str) -> LakeUnit:
        if uri in known:
            stored = known[uri].stored()
            return LakeUnit(recording_id, 0, stored.segments.astype(np.int32), stored.vectors, stored.peaks)
        number = int(uri.removeprefix(SIMULATED))
        rows = slice(simulated[number])
        vectors, peaks = material.simulated.vectors(number)[rows], material.simulated.peaks(number)[rows]
        return LakeUnit(recording_id, 0, np.arange(len(vectors), dtype=np.int32), vectors, peaks)

    pending = catalog.pending(material.checksum)
    while works := list(islice(pending, LAKE_RECORDINGS)):
        units = [unit(work.recording_id, work.uri) for work in works]
        file = lake.write(material.checksum, units).file
        catalog.commit(material.checksum, [_done(one, file) for one in units], [], "run")


def _done(unit: LakeUnit, file: str) -> Done:
    return Done(unit.recording_id, len(unit.segments), 1, (file,), len(unit.segments) * SEGMENT_HOP_S)
