"""Vectors behave alike on Milvus Lite and on a Milvus server."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import MilvusClient
from pymilvus.client.prepare import Prepare

from ingest.fingerprint import PEAKS_A_SEGMENT
from ingest.fingerprint.grid import vector_key
from ingest.stores import Vectors, VectorsConfig, VectorStoreError, open_vectors
from ingest.stores.vectors import Floats, Keys
from tests.stores.rows import random_peaks

DIM = 16
_names = itertools.count()


@pytest.fixture
def collection(vectors: Vectors) -> Iterator[str]:
    """An empty FLAT collection."""
    name = f"collection_{next(_names)}"
    vectors.create(name, DIM)
    yield name
    vectors.drop(name)


def unit_vectors(count: int, seed: int = 0) -> Floats:
    values = np.random.default_rng(seed).normal(size=(count, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def keys_of(recording_id: int, segments: range) -> Keys:
    return np.array([vector_key(recording_id, segment) for segment in segments], np.int64)


def test_search_finds_what_brute_force_finds(vectors: Vectors, collection: str) -> None:
    """Keys, order and scores of a batched search equal a matrix product."""
    stored, queries = unit_vectors(300), unit_vectors(7, seed=1)
    keys = keys_of(5, range(300))
    vectors.upsert(collection, keys, stored, random_peaks(300))
    hits = vectors.search(collection, queries, 10, strong=True)
    scores = queries @ stored.T
    expected = np.argsort(-scores, axis=1)[:, :10]
    assert np.array_equal(hits.keys, keys[expected])
    assert np.allclose(hits.scores, np.take_along_axis(scores, expected, axis=1), atol=1e-5)


def test_hits_are_padded(vectors: Vectors, collection: str) -> None:
    """Where fewer than k vectors exist the rest is key −1 and score −1."""
    vectors.upsert(collection, keys_of(1, range(2)), unit_vectors(2), random_peaks(2))
    hits = vectors.search(collection, unit_vectors(3, seed=1), 5, strong=True)
    assert hits.keys.shape == hits.scores.shape == (3, 5)
    assert (hits.keys[:, :2] >= 0).all()
    assert (hits.keys[:, 2:] == -1).all()
    assert (hits.scores[:, 2:] == -1.0).all()


def test_an_empty_collection_answers(vectors: Vectors, collection: str) -> None:
    """Searching and fetching in an empty collection finds nothing, and no query asks nothing."""
    assert (vectors.search(collection, unit_vectors(2), 3, strong=True).keys == -1).all()
    assert vectors.search(collection, np.empty((0, DIM), np.float32), 3).keys.shape == (0, 3)
    found = vectors.fetch(collection, keys_of(1, range(3)))
    assert (found.keys.shape, found.vectors.shape, found.peaks.shape) == ((0,), (0, 0), (0, 16))
    assert vectors.count(collection) == 0


def test_upsert_replaces(vectors: Vectors, collection: str) -> None:
    """Writing keys again changes their vectors and peaks and not the count."""
    keys = keys_of(3, range(200))
    vectors.upsert(collection, keys, unit_vectors(200), random_peaks(200))
    vectors.upsert(collection, keys, unit_vectors(200, seed=2), random_peaks(200, seed=2)[::-1])
    assert vectors.count(collection) == 200
    found = vectors.fetch(collection, keys, strong=True)
    assert np.array_equal(found.vectors, unit_vectors(200, seed=2))
    assert np.array_equal(found.peaks, random_peaks(200, seed=2)[::-1])


def test_upsert_in_many_requests(vectors: Vectors, collection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write larger than one request arrives whole."""
    monkeypatch.setattr("ingest.stores.vectors.UPSERT_BYTES", 1_000)
    vectors.upsert(collection, keys_of(3, range(100)), unit_vectors(100), random_peaks(100))
    assert vectors.count(collection) == 100


def test_a_request_is_as_large_as_it_may_be(vectors: Vectors, collection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the longest keys and every peak there, requests are of UPSERT_BYTES and the few bytes of their names."""
    sizes: list[int] = []
    build = Prepare.row_upsert_param

    def measured(*arguments: Any, **options: Any) -> Any:
        request = build(*arguments, **options)
        sizes.append(request.ByteSize())
        return request

    monkeypatch.setattr(Prepare, "row_upsert_param", measured)
    monkeypatch.setattr("ingest.stores.vectors.UPSERT_BYTES", 20_000)
    peaks = np.full((500, PEAKS_A_SEGMENT), 4_000, np.uint16)
    vectors.upsert(collection, keys_of(2**42, range(500)), unit_vectors(500), peaks)
    assert len(sizes) == 3
    assert all(19_700 <= size <= 20_200 for size in sizes[:-1])


def test_fetch_gives_those_present(vectors: Vectors, collection: str) -> None:
    """Missing and repeated keys are left out, and the rest comes in ascending order, over several requests."""
    keys, stored, peaks = keys_of(2, range(0, 5_000, 2)), unit_vectors(2_500), random_peaks(2_500)
    vectors.upsert(collection, keys, stored, peaks)
    found = vectors.fetch(collection, np.flip(np.repeat(keys_of(2, range(5_000)), 2)), strong=True)
    assert np.array_equal(found.keys, keys)
    assert np.array_equal(found.vectors, stored)
    assert found.peaks.dtype == np.uint16 and np.array_equal(found.peaks, peaks)


def test_peaks_outlive_a_flush(vectors: Vectors, collection: str) -> None:
    """Rows with all, some and no peaks come back as they were written from what is sealed and indexed."""
    keys, stored, peaks = keys_of(2, range(1_500)), unit_vectors(1_500), random_peaks(1_500)
    vectors.upsert(collection, keys, stored, peaks)
    vectors.flush(collection)
    found = vectors.fetch(collection, keys, strong=True)
    assert np.array_equal(found.keys, keys)
    assert np.array_equal(found.peaks, peaks)


def test_text_that_is_no_peaks_is_a_readable_error(
    vectors: Vectors, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that somebody else wrote is a VectorStoreError that says so."""
    monkeypatch.setattr("ingest.stores.vectors.peaks_to_text", lambda peaks: ["not ours"] * len(peaks))
    keys = keys_of(1, range(2))
    vectors.upsert(collection, keys, unit_vectors(2), random_peaks(2))
    with pytest.raises(VectorStoreError, match=r"^Milvus .*get: not the text of spectral peaks$"):
        vectors.fetch(collection, keys, strong=True)


def test_delete_takes_whole_recordings(vectors: Vectors, collection: str) -> None:
    """Deleting recordings removes each of their segments, first and last, and nothing beside."""
    last = 2**20 - 1
    keys = np.array([vector_key(r, s) for r in range(1, 8) for s in (0, 1, last)], np.int64)
    vectors.upsert(collection, keys, unit_vectors(len(keys)), random_peaks(len(keys)))
    vectors.delete_recordings(collection, [6, 2, 3])
    assert vectors.count(collection) == 12
    found = vectors.fetch(collection, keys, strong=True).keys
    assert set((found >> 20).tolist()) == {1, 4, 5, 7}


def test_deleting_many_recordings(vectors: Vectors, collection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting more recordings than fit one request deletes them all."""
    monkeypatch.setattr("ingest.stores.vectors.DELETE_RANGES", 3)
    keys = np.concatenate([keys_of(r, range(2)) for r in range(1, 30)])
    vectors.upsert(collection, keys, unit_vectors(len(keys)), random_peaks(len(keys)))
    vectors.delete_recordings(collection, range(1, 30, 2))
    vectors.delete_recordings(collection, [])
    assert vectors.count(collection) == 28


def test_the_whole_key_range(vectors: Vectors, collection: str) -> None:
    """Keys of large recording ids come back as they were written."""
    keys = np.array([vector_key(1, 0), vector_key(2**42, 2**20 - 1)], np.int64)
    stored = unit_vectors(2)
    vectors.upsert(collection, keys, stored, random_peaks(2))
    hits = vectors.search(collection, stored, 1, strong=True)
    assert hits.keys[:, 0].tolist() == keys.tolist()


def test_collections_are_listed_and_dropped(vectors: Vectors) -> None:
    """A collection exists from create to drop; dropping it again is fine, creating it twice is not."""
    vectors.create("listed", DIM)
    assert vectors.exists("listed")
    assert "listed" in vectors.list()
    vectors.drop("listed")
    vectors.drop("listed")
    assert not vectors.exists("listed")
    assert "listed" not in vectors.list()


def test_a_creation_that_was_broken_off_is_finished(vectors: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection without its index is given it; one that has it is left as it is."""
    ask = vectors._ask

    def killed(method: Any, *arguments: Any, **options: Any) -> Any:
        if method == "create_index":
            raise VectorStoreError("killed")
        return ask(method, *arguments, **options)

    with monkeypatch.context() as patched, pytest.raises(VectorStoreError, match="killed"):
        patched.setattr(vectors, "_ask", killed)
        vectors.create("begun", DIM)
    try:
        vectors.finish("begun")
        vectors.upsert("begun", keys_of(1, range(5)), unit_vectors(5), random_peaks(5))
        vectors.flush("begun")
        monkeypatch.setattr(vectors, "_ask", killed)
        vectors.finish("begun")
        assert vectors.count("begun") == 5
    finally:
        vectors.drop("begun")


def test_alias_follows(vectors: Vectors) -> None:
    """An alias can be made, moved and searched, and goes with its collection."""
    for name in ("blue", "green"):
        vectors.create(name, DIM)
    vectors.upsert("green", keys_of(9, range(1)), unit_vectors(1), random_peaks(1))
    vectors.point_alias("answering", "blue")
    vectors.point_alias("answering", "green")
    assert vectors.search("answering", unit_vectors(1), 1, strong=True).keys.tolist() == [[vector_key(9, 0)]]
    for name in ("blue", "green"):
        vectors.drop(name)
    assert not vectors.exists("answering")


def test_hnsw_finds_what_is_stored(vectors: Vectors) -> None:
    """An HNSW collection, flushed and indexed, finds every stored vector first, also for a k beyond its ef."""
    vectors.create("hnsw", DIM, "HNSW")
    stored, keys = unit_vectors(1_500), keys_of(4, range(1_500))
    vectors.upsert("hnsw", keys, stored, random_peaks(1_500))
    vectors.flush("hnsw")
    hits = vectors.search("hnsw", stored[:50], 200, strong=True)
    assert np.array_equal(hits.keys[:, 0], keys[:50])
    assert (hits.keys >= 0).all()
    assert vectors.count("hnsw") == 1_500
    vectors.drop("hnsw")


def test_a_store_is_searched_with_other_parameters(vectors: Vectors) -> None:
    """The tuned store searches the same collections over the same connection, and the other one as it did before."""
    stored = unit_vectors(200, seed=5)
    vectors.create("tuned", DIM, index="HNSW")
    vectors.upsert("tuned", np.arange(200, dtype=np.int64), stored, random_peaks(200))
    vectors.flush("tuned")
    tuned = vectors.with_search_params({"ef": 300})
    assert tuned._search_params("tuned", 5)["ef"] == 300
    assert vectors._search_params("tuned", 5).get("ef") != 300
    assert np.array_equal(tuned.search("tuned", stored[:20], 1, strong=True).keys[:, 0], np.arange(20))


def test_a_missing_collection_is_a_readable_error(vectors: Vectors) -> None:
    """Asking a collection that is not there says which, in one line."""
    with pytest.raises(VectorStoreError, match=r"^Milvus .*search: .*not (exist|found).*") as caught:
        vectors.search("nowhere", unit_vectors(1), 1)
    assert "\n" not in str(caught.value)


def test_bad_vectors_are_refused(vectors: Vectors, collection: str) -> None:
    """A repeated key, a vector that is not finite and shapes that do not fit are errors, and nothing is written."""
    keys, peaks = keys_of(1, range(2)), random_peaks(2)
    with pytest.raises(VectorStoreError, match="twice"):
        vectors.upsert(collection, np.repeat(keys[:1], 2), unit_vectors(2), peaks)
    with pytest.raises(VectorStoreError, match="finite"):
        vectors.upsert(collection, keys, np.full((2, DIM), np.nan, np.float32), peaks)
    with pytest.raises(ValueError, match="fit"):
        vectors.upsert(collection, keys, unit_vectors(3), peaks)
    for unfit in (random_peaks(3), peaks[:, :8], peaks.ravel()):
        with pytest.raises(ValueError, match="fit"):
            vectors.upsert(collection, keys, unit_vectors(2), unfit)
    assert vectors.count(collection) == 0


def test_version_is_told(vectors: Vectors) -> None:
    """The server says which Milvus it is."""
    assert any(character.isdigit() for character in vectors.server_version())


@pytest.mark.integration
def test_a_collection_that_is_memory_mapped(milvus_uri: str, tmp_path: Path) -> None:
    """With `vectors.mmap` a server is asked to map a new collection, and searches and fetches as before."""
    keys, stored, peaks = keys_of(6, range(1_500)), unit_vectors(1_500), random_peaks(1_500)
    config = VectorsConfig(kind="milvus", uri=milvus_uri, index="HNSW", mmap=True)
    with open_vectors(config, tmp_path) as opened:
        opened.create("mapped", DIM)
        opened.upsert("mapped", keys, stored, peaks)
        opened.flush("mapped")
        assert MilvusClient(milvus_uri).describe_collection("mapped")["properties"]["mmap.enabled"] == "true"
        assert np.array_equal(opened.search("mapped", stored[:50], 1, strong=True).keys[:, 0], keys[:50])
        found = opened.fetch("mapped", keys, strong=True)
        assert np.array_equal(found.vectors, stored)
        assert np.array_equal(found.peaks, peaks)
        opened.drop("mapped")
