"""Before a job begins: everything that is wrong is told at once, and nothing is left behind by asking."""

from pathlib import Path
from typing import cast

import pytest

from ingest.config import IngestConfig
from ingest.errors import PreflightError
from ingest.model import read_model
from ingest.preflight import preflight, refuse_local_parts
from ingest.stores import CatalogStore, Generation, LakeConfig, Vectors, open_lake
from tests.jobs.records import ingest_config

SERVERS = ("vectors=milvus", "metadata=mysql")


class Server:
    """A Milvus of some version that holds one collection."""

    def __init__(self, version: str = "v2.4.1", dim: int = 128) -> None:
        self.version, self.held = version, dim

    def server_version(self) -> str:
        return self.version

    def exists(self, collection: str) -> bool:
        return collection == "held"

    def dim(self, collection: str) -> int:
        return self.held


class Catalogue:
    """A catalogue with one generation, of whatever encoder."""

    def generation(self, encoder: str) -> Generation:
        return Generation(1, "held", encoder, 128, "FLAT", None, "active", 0.0)


def look(config: IngestConfig, server: Server, lake: Path) -> None:
    model = read_model(config.encoder)
    stores = cast("CatalogStore", Catalogue()), cast("Vectors", server)
    preflight(config, model, *stores, open_lake(LakeConfig(), lake))


def test_a_job_that_can_work_passes(tmp_path: Path) -> None:
    """The probes of lake and imports are written, read, and gone."""
    (tmp_path / "music").mkdir()
    more = (f"catalog.path={tmp_path / 'music'}", *SERVERS, f"vectors.import_uri={tmp_path / 'imports'}")
    look(ingest_config(tmp_path, *more), Server(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_everything_that_is_wrong_is_told(tmp_path: Path) -> None:
    """Source, lake, imports, server, collection and GPUs in one error, whichever fails first."""
    for name in ("lake", "imports"):
        (tmp_path / name).touch()
    more = (
        f"catalog.path={tmp_path / 'nowhere'}", *SERVERS, f"vectors.import_uri={tmp_path / 'imports'}",
        "compute.embed_gpus=8", "compute.embed_actors=8",
    )  # fmt: skip
    with pytest.raises(PreflightError) as failure:
        look(ingest_config(tmp_path, *more), Server("v2.2.9-lite", dim=64), tmp_path)
    problems = str(failure.value).split("; ")
    told = ("nowhere", "lake", "imports", "Milvus v2.2.9-lite is older than 2.3", "64 dimensions", "64 GPUs are asked")
    for problem, expected in zip(problems, told, strict=True):
        assert expected in problem
    assert "\n" not in str(failure.value)


def test_imports_need_a_place(tmp_path: Path) -> None:
    """Asking for imports without saying where is told before anything is embedded."""
    (tmp_path / "music").mkdir()
    config = ingest_config(tmp_path, f"catalog.path={tmp_path / 'music'}", *SERVERS, "vectors.load=import")
    with pytest.raises(PreflightError, match=r"needs vectors\.import_uri"):
        look(config, Server(), tmp_path)


def test_a_cluster_refuses_what_lies_on_one_machine() -> None:
    """Folder, home, SQLite and Milvus Lite are all named; with everything elsewhere it goes on."""
    with pytest.raises(PreflightError) as failure:
        refuse_local_parts(ingest_config("/here", "compute=cluster", "catalog.path=/music"))
    for told in ("catalog=folder", "home=/here", "the lake in home", "metadata=sqlite", "vectors=milvus_lite"):
        assert told in str(failure.value)
    refuse_local_parts(
        ingest_config("s3://b/home", "compute=cluster", "catalog=s3", "catalog.path=s3://music", *SERVERS)
    )
    refuse_local_parts(ingest_config("/here", "catalog.path=/music"))
    refuse_local_parts(ingest_config("s3://b/home", "compute=cluster", "action=promote", *SERVERS))
    refuse_local_parts(
        ingest_config("/nfs", "compute=cluster", "compute.shared_disk=true", "catalog.path=/nfs/music", *SERVERS)
    )
