"""A service that is started while one of its stores is away."""

from pathlib import Path

import pytest

from ingest.stores import (
    Done,
    MetadataConfig,
    MetadataError,
    SourceFile,
    VectorStoreError,
    open_catalog,
    open_metadata,
)
from scripts.services import free_ports, mariadb
from serve.api import build_api
from serve.fakes import SPECTRAL_CALIBRATION
from serve.problems import EncoderAway
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.test_api import problem
from tests.service.world import COLLECTION, TRACK_S, World, noisy
from tests.waiting import wait_for

PATIENCE_S = 120.0


def clip_of(world: World) -> bytes:
    return wav(noisy(world.clip(2, 17.3, 8.0)))


@pytest.mark.parametrize("code", ["metadata_store", "vector_store"])
def test_a_service_starts_without_a_store(code: str) -> None:
    """It lives, readiness and queries name the store that is missing, and it answers once that is there."""
    world = World.with_songs()
    if code == "metadata_store":
        world.catalog.failure = MetadataError("MySQL does not answer")
    world.vectors.away = code == "vector_store"
    with serving(world.api()) as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, code)
        response = client.post("/v1/identify", content=clip_of(world))
        problem(response, 503, code)
        assert int(response.headers["retry-after"]) >= 1
        world.catalog.failure, world.vectors.away = None, False
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert "code" not in client.get("/readyz").json()
        assert client.post("/v1/identify", content=clip_of(world)).json()["matches"][0]["track_id"] == 2


def test_what_is_missing_is_named_one_after_the_other() -> None:
    """Where both stores are away, the second is named as soon as the first is back."""
    world = World.with_songs()
    world.catalog.failure, world.vectors.away = MetadataError("MySQL does not answer"), True
    with serving(world.api()) as client:
        assert client.get("/readyz").json()["code"] == "metadata_store"
        world.catalog.failure = None
        wait_for(lambda: client.get("/readyz").json()["code"] == "vector_store")
        world.vectors.away = False
        wait_for(lambda: client.get("/readyz").json()["status"] == "ok")


def test_the_code_of_readiness_is_that_of_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes away later is named by the code that queries are refused with, or answered without."""
    world = World.with_songs()
    service = world.service("lookups.cache_s=0.01")

    async def away() -> frozenset[str]:
        raise EncoderAway("no encoder")

    def code() -> str | None:
        return service.readiness().code

    with serving(build_api(service)):
        assert code() is None
        world.catalog.failure = MetadataError("MySQL does not answer")
        wait_for(lambda: code() == MetadataError.code and service.readiness().status == "degraded")
        world.vectors.away = True
        wait_for(lambda: code() == VectorStoreError.code)
        world.vectors.away = False
        monkeypatch.setattr(service._generations._encoders, "checksums", away)
        wait_for(lambda: code() == EncoderAway.code)


def fill(config: MetadataConfig, home: Path) -> None:
    """The songs of `World`, published."""
    with open_metadata(config, home) as metadata:
        catalog = metadata.catalog("default")
        catalog.register([SourceFile(f"song {number}.flac", "1", 1) for number in (1, 2, 3)], "run")
        works = list(catalog.pending("spectral"))
        catalog.commit("spectral", [Done(w.recording_id, 1, 1, ("a.parquet",), TRACK_S) for w in works], [], "run")
        generation = catalog.create_generation(COLLECTION, "spectral", 60, "FLAT").generation_id
        catalog.mark_loaded(generation, {work.recording_id: 1 for work in works})
        catalog.set_calibration(generation, SPECTRAL_CALIBRATION.to_dict())
        catalog.mark_ready(generation)
        catalog.activate(generation)
        catalog.publish(generation)


@pytest.mark.integration
def test_a_service_starts_while_mysql_is_away(tmp_path: Path) -> None:
    """On a real MariaDB that holds a catalogue and is started after the service, everything is answered, with names."""
    (port,) = free_ports(1)
    url = f"mysql+pymysql://root@127.0.0.1:{port}/refrain"
    config = MetadataConfig(kind="mysql", url=url, timeout_s=2.0)
    with mariadb(tmp_path / "db", port):
        fill(config, tmp_path)
    world = World.with_songs()
    world.catalog = open_catalog(config, tmp_path, "default")
    with serving(world.api()) as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz").json()
        assert ready["code"] == "metadata_store" and f"127.0.0.1:{port}" in ready["checks"]["metadata"]
        for path in ("/v1/tracks", "/v1/tracks/2", "/v1/info"):
            problem(client.get(path), 503, "metadata_store")
        problem(client.post("/v1/identify", content=clip_of(world)), 503, "metadata_store")
        with mariadb(tmp_path / "db", port):
            wait_for(lambda: client.get("/readyz").json()["status"] == "ok", PATIENCE_S)
            (match,) = client.post("/v1/identify", content=clip_of(world)).json()["matches"]
            assert match["uri"] == "song 2.flac"
            assert client.get("/v1/tracks/2").json()["uri"] == "song 2.flac"


@pytest.mark.integration
def test_a_database_that_is_made_later(tmp_path: Path) -> None:
    """A catalogue on a server that has never seen one is made when the server is there, whoever asks first."""
    (port,) = free_ports(1)
    config = MetadataConfig(kind="mysql", url=f"mysql+pymysql://root@127.0.0.1:{port}/refrain", timeout_s=2.0)
    catalog = open_catalog(config, tmp_path, "jazz")
    with pytest.raises(MetadataError, match=str(port)):
        catalog.active_generation()
    with mariadb(tmp_path / "db", port), open_metadata(config, tmp_path) as metadata:
        assert catalog.active_generation() is None
        assert metadata.catalog_names() == ["jazz"]
