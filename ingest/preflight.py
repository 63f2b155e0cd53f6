"""Can the job do its work? Everything is asked before anything is begun, and all that is wrong is told at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from ingest.catalog import probe_source
from ingest.checks import READS_THE_SOURCE
from ingest.config import IngestConfig
from ingest.errors import PreflightError, RefrainError
from ingest.model import Model
from ingest.stores import CatalogStore, Generation, Lake, Vectors
from ingest.stores.bulk import ImportFiles

OLDEST_MILVUS = (2, 3)
LEAST_FREE_BYTES = 512 << 20  # on the disk of a local home

Check = Callable[[], None]  # raises a RefrainError that says what is wrong


def refuse_local_parts(config: IngestConfig) -> None:
    """On a cluster nothing may lie on one machine alone. Raises PreflightError that names all that does."""
    if config.compute.address == "local":
        return
    on_disk = [
        *(["catalog=folder"] if config.catalog.kind == "folder" and config.action in READS_THE_SOURCE else []),
        *([f"home={config.home}"] if config.home_is_local else []),
        *(["the lake in home"] if config.lake.uri is None and config.home_is_local else []),
    ]
    wrong = [
        *(on_disk if not config.compute.shared_disk else []),
        *(["metadata=sqlite"] if config.metadata.kind == "sqlite" else []),
        *(["vectors=milvus_lite"] if config.vectors.kind == "milvus_lite" else []),
    ]
    if wrong:
        raise PreflightError(f"compute.address={config.compute.address}: other nodes do not see {', '.join(wrong)}")


def preflight(config: IngestConfig, model: Model, catalog: CatalogStore, vectors: Vectors, lake: Lake) -> None:
    """Raises PreflightError with every problem found, one after the other in one line."""
    checks: list[Check] = [
        lambda: probe_source(config.catalog),
        lambda: lake.probe(model.checksum),
        lambda: _imports(config),
        lambda: _server(config, vectors),
        lambda: _collection(catalog.generation(model.checksum), model, vectors),
        lambda: _gpus(config),
        lambda: _disk(config),
    ]
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except RefrainError as error:
            problems.append(str(error))
    if problems:
        raise PreflightError("; ".join(problems))


def _imports(config: IngestConfig) -> None:
    """The place that a Milvus server reads imports from."""
    if config.vectors.load == "import" and not config.vectors.import_uri:
        raise PreflightError("vectors.load=import needs vectors.import_uri, a place in the Milvus server's own storage")
    if config.vectors.import_uri and config.vectors.load != "upsert":
        ImportFiles(config.vectors.import_uri).probe()


def _server(config: IngestConfig, vectors: Vectors) -> None:
    if config.vectors.kind != "milvus":
        return
    version = vectors.server_version()
    numbers = tuple(int(part) for part in version.removeprefix("v").split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST_MILVUS:
        raise PreflightError(f"Milvus {version} is older than {'.'.join(map(str, OLDEST_MILVUS))}")


def _collection(generation: Generation | None, model: Model, vectors: Vectors) -> None:
    """What is to be filled has the shape that it is filled with."""
    if generation is None or not vectors.exists(generation.collection):
        return
    found = vectors.dim(generation.collection)
    if found != model.dim:
        raise PreflightError(
            f"{generation.collection} holds vectors of {found} dimensions, the encoder makes {model.dim}"
        )


def _gpus(config: IngestConfig) -> None:
    """Those of this machine; a cluster's are looked at once it is connected to."""
    if not config.compute.embed_gpus or config.compute.address != "local":
        return
    import torch  # only those wait for it who ask for GPUs

    asked = config.compute.pool_gpus
    if torch.cuda.device_count() < asked:
        raise PreflightError(f"{asked:g} GPUs are asked for (compute.embed_gpus), {torch.cuda.device_count()} are here")


def _disk(config: IngestConfig) -> None:
    if not config.home_is_local:
        return
    free = shutil.disk_usage(config.home_dir).free
    if free < LEAST_FREE_BYTES:
        raise PreflightError(
            f"the disk of home {config.home!r} has {free >> 20} MiB left, {LEAST_FREE_BYTES >> 20} are needed"
        )
