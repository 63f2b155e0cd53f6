"""The routes of tracks: over a catalogue in memory, and deletion on the real stores of a home."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from ingest.stores import (
    CatalogLocked,
    CatalogStore,
    Done,
    MetadataConfig,
    SourceFile,
    VectorsConfig,
    VectorStoreError,
    open_metadata,
    open_vectors,
)
from serve.encoders import EncoderSet, LocalEncoder
from serve.fakes import SpectralEmbedder
from serve.generation import Generations
from serve.matching import MatcherSettings
from serve.problems import UnknownTrack
from serve.tracks import Tracks
from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.test_api import problem
from tests.service.world import COLLECTION, World, config
from tests.stores.rows import random_peaks


@pytest.fixture
def world() -> World:
    return World.with_songs()


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world.api()) as client:
        yield client


def test_tracks_come_in_pages(client: httpx.Client) -> None:
    """`next` leads from page to page through every track, and is null at the end; words narrow the list."""
    first = client.get("/v1/tracks?limit=2").json()
    second = client.get(f"/v1/tracks?limit=2&after={first['next']}").json()
    assert [track["track_id"] for page in (first, second) for track in page["tracks"]] == [1, 2, 3]
    assert second["next"] is None
    assert [track["uri"] for track in client.get("/v1/tracks", params={"q": "3.flac"}).json()["tracks"]] == [
        "song 3.flac"
    ]
    for wrong in ("limit=0", "limit=501", "after=-1", f"after={2**63}", "q=" + "x" * 201):
        problem(client.get(f"/v1/tracks?{wrong}"), 422, "invalid_parameter")


def test_duplicates_are_told(world: World, client: httpx.Client) -> None:
    """Tracks with the same audio are listed, none is an empty list, an unknown track a 404."""
    world.catalog.copies[1] = [3]
    assert [track["track_id"] for track in client.get("/v1/tracks/1/duplicates").json()["duplicates"]] == [3]
    assert client.get("/v1/tracks/2/duplicates").json() == {"track_id": 2, "duplicates": []}
    problem(client.get("/v1/tracks/99/duplicates"), 404, "unknown_track")


def test_a_deleted_track_answers_no_more(world: World, client: httpx.Client) -> None:
    """From the 204 on it is not matched, not shown and not listed; a second 204 changes nothing."""
    clip = wav(world.clip(2, 11.0, 8.0))
    assert client.post("/v1/identify", content=clip).json()["matches"][0]["track_id"] == 2
    for _ in range(2):
        response = client.delete("/v1/tracks/2")
        assert (response.status_code, response.content) == (204, b"")
    assert client.post("/v1/identify", content=clip).json()["matches"] == []
    assert 2 not in set(world.vectors.collections[COLLECTION].keys >> 20)
    problem(client.get("/v1/tracks/2"), 404, "unknown_track")
    assert [track["track_id"] for track in client.get("/v1/tracks").json()["tracks"]] == [1, 3]
    problem(client.delete("/v1/tracks/99"), 404, "unknown_track")
    problem(client.delete("/v1/tracks/x"), 422, "invalid_parameter")
    assert list(world.catalog.runs.values()) == [("delete", "done")] * 2


def test_a_catalogue_that_is_written_to_is_busy(world: World, client: httpx.Client) -> None:
    """While somebody else holds the lock a deletion is a 409 that may be repeated, and nothing is deleted."""
    with world.catalog.lock():
        response = client.delete("/v1/tracks/1")
    problem(response, 409, "busy")
    assert int(response.headers["retry-after"]) >= 1
    assert client.get("/v1/tracks/1").status_code == 200
    assert client.delete("/v1/tracks/1").status_code == 204


def test_a_lost_vector_store_keeps_the_tombstone(world: World, client: httpx.Client) -> None:
    """The track is gone although its vectors could not be deleted; repeating the deletion finishes it."""
    world.vectors.away = True
    problem(client.delete("/v1/tracks/1"), 503, "vector_store")
    problem(client.get("/v1/tracks/1"), 404, "unknown_track")
    world.vectors.away = False
    assert list(world.catalog.runs.values()) == [("delete", "failed")]
    assert 1 in set(world.vectors.collections[COLLECTION].keys >> 20)
    assert client.delete("/v1/tracks/1").status_code == 204
    assert 1 not in set(world.vectors.collections[COLLECTION].keys >> 20)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[CatalogStore]:
    """Two tracks, registered and loaded into two generations."""
    with open_metadata(MetadataConfig(), tmp_path) as metadata:
        catalog = metadata.catalog("default")
        catalog.register([SourceFile("a", "1", 1), SourceFile("b", "1", 1)], "run")
        for encoder in ("old", "new"):
            generation = catalog.create_generation(encoder, encoder, 4, "FLAT")
            done = [Done(number, 2, 1, ("f",), 1.0) for number in (1, 2)]
            catalog.commit(encoder, done, [], "run")
            catalog.mark_loaded(generation.generation_id, {1: 2, 2: 2})
            catalog.activate(generation.generation_id)
        yield catalog


@pytest.mark.integration
def test_a_deletion_on_real_stores(tmp_path: Path, catalog: CatalogStore) -> None:
    """Vectors leave the generation that answers and the retired one; the lock of a job refuses, and is given back."""
    with open_vectors(VectorsConfig(), tmp_path) as vectors:
        for collection in ("old", "new"):
            vectors.create(collection, 4)
            keys = np.array([1 << 20, (1 << 20) + 1, 2 << 20, (2 << 20) + 1], np.int64)
            vectors.upsert(collection, keys, np.eye(4, dtype=np.float32), random_peaks(4))
            vectors.flush(collection)
        away = True

        def opened() -> object:
            if away:
                raise VectorStoreError("Milvus is away")
            return vectors

        encoder, made = LocalEncoder(EncoderSet([SpectralEmbedder()])), config()
        generations = Generations(catalog, opened, encoder, MatcherSettings(), made.lookups, made.health)  # type: ignore
        tracks = Tracks(catalog, generations)
        with catalog.lock(), pytest.raises(CatalogLocked):
            asyncio.run(tracks.delete(1))
        assert catalog.track(1) is not None
        with pytest.raises(VectorStoreError):
            asyncio.run(tracks.delete(1))
        assert catalog.lookup([1]) == {}
        away = False
        asyncio.run(tracks.delete(1))
        assert [vectors.count(collection) for collection in ("old", "new")] == [2, 2]
        asyncio.run(tracks.delete(1))
        with pytest.raises(UnknownTrack):
            asyncio.run(tracks.delete(99))
        assert [track.uri for track in catalog.find_tracks(limit=9)] == ["b"]
        deletions = [(run.action, run.state, run.counts) for run in reversed(catalog.runs())]
        assert deletions[0] == ("delete", "failed", {"deleted": 1})
        assert deletions[1:] == [("delete", "done", {"deleted": 0})] * 2
