"""Bulk import into a real Milvus server: whole, interrupted at every step, failing, and given up."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pymilvus import MilvusClient
from pymilvus.client.types import LoadState

from ingest.bulk_load import ATTEMPTS, BulkLoad, Unsettled, imports_wanted, start_over
from ingest.errors import VectorStoreError
from ingest.fingerprint import vector_key
from ingest.publish import activate
from ingest.stores import (
    CatalogStore,
    Done,
    Generation,
    Lake,
    LakeConfig,
    LakeUnit,
    MetadataConfig,
    SourceFile,
    Vectors,
    VectorsConfig,
    open_lake,
    open_metadata,
    open_vectors,
)
from ingest.stores.bulk import BulkImports, ImportFiles
from ingest.verify import verify
from tests.stores.rows import random_peaks

pytestmark = pytest.mark.integration
ENCODER, DIM, SEGMENTS, RECORDINGS = "e" * 64, 16, 40, 10


class Killed(Exception):
    """As SIGKILL would end the job."""


class KilledAfterSubmit(BulkImports):
    """The server takes the file, and the job dies before it can write that down."""

    def submit(self, collection: str, path: str) -> str:
        super().submit(collection, path)
        raise Killed


class KilledBeforeSubmit(BulkImports):
    """The job dies after it wrote down what it is about to do."""

    def submit(self, collection: str, path: str) -> str:
        raise Killed


class SubmittedTwice(BulkImports):
    """The server takes every file twice: what a client that asks again may do."""

    def submit(self, collection: str, path: str) -> str:
        super().submit(collection, path)
        super().submit(collection, path)
        raise Killed


@dataclass(frozen=True)
class Shop:
    """A catalogue whose embeddings lie in the lake, and an empty collection for them."""

    catalog: CatalogStore
    vectors: Vectors
    lake: Lake
    config: VectorsConfig
    generation: Generation

    def load(self, kind: type[BulkImports] = BulkImports, **config: object) -> int:
        """Import everything with this kind of tasks; how many rows came in."""
        settings = replace(self.config, **config)  # type: ignore[arg-type]  # names of fields and their values
        files = ImportFiles(str(settings.import_uri))
        with kind(settings) as tasks:
            arguments = (self.generation, self.catalog, self.vectors, self.lake, files, tasks, settings)
            return sum(BulkLoad(*arguments, batch_vectors=2 * SEGMENTS, pause=lambda seconds: time.sleep(0.3)).run())

    def verify(self) -> None:
        """Every key is there once, and finds itself."""
        verify(self.generation, self.catalog, self.vectors)
        keys = np.array([vector_key(r, s) for r in range(1, RECORDINGS + 1) for s in range(SEGMENTS)], np.int64)
        assert self.vectors.count(self.generation.collection) == len(keys)
        held = self.vectors.fetch(self.generation.collection, keys, strong=True)
        assert np.array_equal(held.keys, keys)
        assert np.array_equal(held.peaks[:SEGMENTS], random_peaks(SEGMENTS, seed=1))


@pytest.fixture
def shop(milvus_uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    config = VectorsConfig(
        kind="milvus", uri=milvus_uri, index="HNSW", load="auto", import_uri=str(tmp_path / "imports"),
        import_rows=4 * SEGMENTS, import_from_rows=100,
    )  # fmt: skip
    with open_metadata(MetadataConfig(), tmp_path) as metadata, open_vectors(config, tmp_path) as vectors:
        catalog, lake = metadata.catalog(), open_lake(LakeConfig(), tmp_path)
        catalog.register([SourceFile(f"{n:03}", "1", 1) for n in range(RECORDINGS)], "run")
        for work in list(catalog.pending(ENCODER)):
            rows = np.random.default_rng(work.recording_id).standard_normal((SEGMENTS, DIM)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            peaks = random_peaks(SEGMENTS, seed=work.recording_id)
            file = lake.write(
                ENCODER, [LakeUnit(work.recording_id, 0, np.arange(SEGMENTS, dtype=np.int32), rows, peaks)]
            ).file
            catalog.commit(ENCODER, [Done(work.recording_id, SEGMENTS, 1, (file,), 3.0)], [], "run")
        collection = f"bulk_{abs(hash(request.node.name)) % 10**9}"
        vectors.create(collection, DIM)
        yield Shop(catalog, vectors, lake, config, catalog.create_generation(collection, ENCODER, DIM, "HNSW"))
        for generation in catalog.generations():
            vectors.drop(generation.collection)


def test_everything_is_imported(shop: Shop, tmp_path: Path) -> None:
    """Three files of four recordings and less: all rows in, counted, found, ready to answer, and the files gone."""
    assert imports_wanted(shop.generation, shop.catalog, shop.config)
    assert shop.load() == RECORDINGS * SEGMENTS
    shop.verify()
    assert [one.state for one in shop.catalog.imports(shop.generation.generation_id)] == ["done"] * 3
    assert list((tmp_path / "imports").iterdir()) == []
    assert shop.load() == 0  # and again there is nothing to do
    shop.verify()


def test_an_import_is_indexed_before_it_is_loaded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded without its index it would take the memory of both, and be verified row by row, not as it is served."""
    client = MilvusClient(str(shop.config.uri))
    flush, seen = Vectors.flush, []

    def watched(vectors: Vectors, collection: str) -> None:
        flush(vectors, collection)
        seen.append(client.get_load_state(collection)["state"])

    monkeypatch.setattr(Vectors, "flush", watched)
    shop.load()
    assert seen == [LoadState.NotLoad]
    assert client.get_load_state(shop.generation.collection)["state"] == LoadState.Loaded
    client.close()


@pytest.mark.parametrize("kind", [KilledAfterSubmit, KilledBeforeSubmit])
def test_a_job_killed_around_a_submit_is_finished_by_the_next(shop: Shop, kind: type[BulkImports]) -> None:
    """Whether the server got the file or not, the next job neither loses nor doubles a row."""
    with pytest.raises(Killed):
        shop.load(kind)
    assert {one.state for one in shop.catalog.imports(shop.generation.generation_id)} == {"submitting", "written"}
    assert shop.load() == RECORDINGS * SEGMENTS
    shop.verify()


def test_a_doubled_import_is_given_up_and_loaded_anew(shop: Shop) -> None:
    """Two tasks for one file cannot be settled; the collection starts over and is right then."""
    with pytest.raises(Killed):
        shop.load(SubmittedTwice)
    with pytest.raises(Unsettled, match="knows 2 imports"):
        shop.load()
    shop = replace(shop, generation=start_over(shop.generation, shop.catalog, shop.vectors))
    assert shop.load() == RECORDINGS * SEGMENTS
    shop.verify()


def test_an_import_that_fails_is_tried_again_and_then_told(shop: Shop, tmp_path: Path) -> None:
    """A file that the server cannot read fails with its own words after some attempts; written well, it goes in."""
    with pytest.raises(Killed):
        shop.load(KilledBeforeSubmit)
    broken = sorted((tmp_path / "imports").iterdir())[0]
    whole = broken.read_bytes()
    broken.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(VectorStoreError, match=broken.name):
        shop.load()
    first = shop.catalog.imports(shop.generation.generation_id)[0]
    assert first.attempts == ATTEMPTS
    broken.write_bytes(whole)
    shop.catalog.set_import(shop.generation.generation_id, 0, state="written", task=None, attempts=0)
    assert shop.load() > 0
    shop.verify()


def test_what_answers_is_never_imported_into(shop: Shop) -> None:
    """Nor is a collection that upserts have begun, or little; and what asks for upserts gets them."""
    assert not imports_wanted(shop.generation, shop.catalog, replace(shop.config, load="upsert"))
    assert not imports_wanted(shop.generation, shop.catalog, replace(shop.config, import_from_rows=10**6))
    assert not imports_wanted(shop.generation, shop.catalog, replace(shop.config, import_uri=None))
    assert not imports_wanted(replace(shop.generation, state="active"), shop.catalog, shop.config)
    shop.load()
    shop.catalog.mark_loaded(shop.generation.generation_id, {99: 5})
    assert not imports_wanted(shop.generation, shop.catalog, shop.config)
    activate(shop.generation, shop.catalog, shop.vectors)


def test_the_place_of_imports_is_probed(tmp_path: Path) -> None:
    """A place that can be written to passes and keeps nothing; one that cannot is named."""
    ImportFiles(str(tmp_path / "new" / "place")).probe()
    assert list((tmp_path / "new" / "place").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(VectorStoreError, match="cannot write"):
        ImportFiles(str(tmp_path / "file")).probe()
