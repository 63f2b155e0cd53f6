"""Filling, verifying, promoting and rolling back generations on real stores, without Ray."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.config import DeleteConfig
from ingest.deletion import to_delete, to_restore
from ingest.errors import ConfigurationError, PreflightError, VerificationError
from ingest.filling import Filling
from ingest.fingerprint import vector_key
from ingest.job_stores import Stores
from ingest.load import fill, generation_to_fill, generation_to_reindex
from ingest.model import Model
from ingest.publish import prune, publish, to_promote, to_roll_back_to
from ingest.runs import Run
from ingest.stores import (
    Done,
    LakeConfig,
    LakeUnit,
    MetadataConfig,
    VectorsConfig,
    open_lake,
    open_metadata,
    open_vectors,
)
from ingest.stores.removal import delete_tracks
from ingest.verify import verify
from tests.jobs.records import ingest_config
from tests.stores.rows import random_peaks
from tests.system.shop import DIM, SEGMENTS, Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_metadata(MetadataConfig(), tmp_path) as metadata, open_vectors(VectorsConfig(), tmp_path) as vectors:
        yield Shop(metadata.catalog("default"), vectors, open_lake(LakeConfig(), tmp_path))


def test_a_second_generation_waits_until_it_is_promoted_and_can_be_rolled_back(shop: Shop) -> None:
    """What came after the fill is in both sides after promote and rollback, and one pointer says which one answers."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    assert publish(first, shop.catalog, shop.vectors) == 2
    with pytest.raises(PreflightError, match="no generation is ready"):
        to_promote(shop.catalog, shop.vectors)

    shop.embed("new", {"a": "1", "b": "1"})
    second = shop.generation("new", "second")
    shop.fill(second)
    assert publish(second, shop.catalog, shop.vectors) == 0
    active = shop.catalog.active_generation()
    assert active is not None and active.collection == "first"

    for encoder in ("old", "new"):
        shop.embed(encoder, {"a": "2", "b": "1", "c": "1"})
    shop.switch(to_promote(shop.catalog, shop.vectors))
    assert shop.answers() == ("second", {"a", "b", "c"}, 3 * SEGMENTS)
    shop.switch(to_roll_back_to(shop.catalog, shop.vectors))
    assert shop.answers() == ("first", {"a", "b", "c"}, 3 * SEGMENTS)


def test_a_collection_that_lost_vectors_is_not_published(shop: Shop) -> None:
    """When the collection holds less than the ledger says, verification fails, by name and number."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    shop.vectors.delete_recordings("first", [1])
    with pytest.raises(VerificationError, match="first holds 6 vectors, the ledger says 12"):
        verify(first, shop.catalog, shop.vectors)


def test_a_deletion_that_was_killed_is_finished_by_the_next_run(shop: Shop, tmp_path: Path) -> None:
    """A changed file's old range is gone from Milvus and still in the ledger: the run after that agrees with itself."""
    shop.embed("old", {"a": "1", "b": "1"})
    shop.switch(shop.generation("old", "first"))
    shop.embed("old", {"a": "2", "b": "1"})
    active = shop.catalog.active_generation()
    assert active is not None
    shop.fill(active)
    shop.catalog.publish(active.generation_id)
    shop.vectors.delete_recordings("first", shop.catalog.superseded(active.generation_id))
    with pytest.raises(VerificationError):
        verify(active, shop.catalog, shop.vectors)
    config = ingest_config(tmp_path, "catalog=folder", f"catalog.path={tmp_path}")
    stores = Stores(shop.catalog, shop.vectors, shop.lake)
    Filling(config, Run.start(tmp_path, config), stores, lambda: None).run(active)
    assert shop.answers() == ("first", {"a", "b"}, 2 * SEGMENTS)


def test_another_collection_of_the_same_encoder(shop: Shop, tmp_path: Path) -> None:
    """Filled from the lake beside one that lost vectors, calibrated alike, it waits; jobs go on with the one that
    answers; promoted it has everything, and the old collection can go.
    """
    shop.embed("old", {"a": "1", "b": "1"})
    shop.switch(shop.generation("old", "first"))
    shop.catalog.set_calibration(1, {"some": "fit"})
    shop.vectors.delete_recordings("first", [1])
    begun = generation_to_reindex(shop.catalog, shop.vectors, "FLAT")
    shop.catalog.set_calibration(begun.generation_id, None)  # as where a run began it
    again = generation_to_reindex(shop.catalog, shop.vectors, "FLAT")
    assert again.generation_id == begun.generation_id, "it goes on after a kill"
    shop.fill(begun)
    shop.catalog.mark_ready(begun.generation_id)
    config = ingest_config(tmp_path, "catalog=folder", f"catalog.path={tmp_path}")
    model = Model("old", (0, 0), DIM)
    assert generation_to_fill(shop.catalog, shop.vectors, config, model).collection == "first"
    assert prune(shop.catalog, shop.vectors) == []
    shop.embed("old", {"a": "1", "b": "2", "c": "1"})
    shop.switch(to_promote(shop.catalog, shop.vectors))
    assert shop.answers() == (begun.collection, {"a", "b", "c"}, 3 * SEGMENTS)
    active = shop.catalog.active_generation()
    assert active is not None and active.calibration == {"some": "fit"}
    assert prune(shop.catalog, shop.vectors) == ["first"] and not shop.vectors.exists("first")
    with pytest.raises(PreflightError, match="no earlier generation"):
        to_roll_back_to(shop.catalog, shop.vectors)


def test_nothing_to_index_again(shop: Shop) -> None:
    """Before anything answers there is nothing that could be filled again."""
    with pytest.raises(PreflightError, match="nothing answers yet"):
        generation_to_reindex(shop.catalog, shop.vectors, "FLAT")


def test_a_fill_that_was_killed_before_its_flush_is_flushed_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything stands as loaded then, and yet the collection is flushed; once it is published no more."""
    flushed: list[str] = []
    monkeypatch.setattr(shop.vectors, "flush", flushed.append)
    shop.embed("old", {"a": "1"})
    first = shop.generation("old", "first")
    killed = fill(first, shop.catalog, shop.vectors, shop.lake, batch_vectors=2 * SEGMENTS)
    assert (next(killed), flushed) == (SEGMENTS, [])
    killed.close()
    shop.fill(first)
    assert flushed == ["first"]
    publish(first, shop.catalog, shop.vectors)
    published = shop.catalog.active_generation()
    assert published is not None
    shop.fill(published)
    assert flushed == ["first"]


def test_loading_again_what_was_loaded_but_not_recorded_changes_nothing(shop: Shop) -> None:
    """A kill between the upsert and the ledger's row: the second load writes the same keys."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    keys = np.array([vector_key(1, 0), vector_key(2, 5)])
    before = shop.vectors.fetch("first", keys)
    shop.catalog.forget_loads(first.generation_id, [1, 2])
    shop.fill(first)
    assert shop.vectors.count("first") == 2 * SEGMENTS
    after = shop.vectors.fetch("first", keys)
    assert np.array_equal(after.vectors, before.vectors)
    assert np.array_equal(after.peaks, before.peaks)
    assert np.array_equal(after.peaks, [random_peaks(SEGMENTS, seed=1)[0], random_peaks(SEGMENTS, seed=2)[5]])


def test_deleted_tracks_leave_both_sides(shop: Shop) -> None:
    """What is deleted leaves every generation at once, the one that waits and the one that is left to roll back to, and
    comes back with neither.
    """
    versions = {"a": "1", "b": "1", "c": "1"}
    shop.embed("old", versions)
    first = shop.generation("old", "first")
    shop.fill(first)
    publish(first, shop.catalog, shop.vectors)
    shop.embed("new", versions)
    second = shop.generation("new", "second")
    shop.fill(second)
    publish(second, shop.catalog, shop.vectors)
    delete_tracks([1], shop.catalog, shop.vectors)
    assert sorted(shop.catalog.lookup([1, 2, 3])) == [2, 3]
    for generation in (first, second):
        assert shop.vectors.count(generation.collection) == 2 * SEGMENTS
    shop.switch(to_promote(shop.catalog, shop.vectors))
    delete_tracks([2], shop.catalog, shop.vectors)
    assert (shop.vectors.count("second"), shop.vectors.count("first")) == (SEGMENTS, SEGMENTS)
    shop.switch(to_roll_back_to(shop.catalog, shop.vectors))
    assert shop.vectors.count("first") == SEGMENTS and sorted(shop.catalog.lookup([1, 2, 3])) == [3]


def test_what_is_embedded_again_replaces_what_was_loaded(shop: Shop) -> None:
    """After a forced run the collection holds the new vectors under the keys of the new ones, and none of the old."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    publish(first, shop.catalog, shop.vectors)
    assert shop.catalog.forget_done("old") == 2
    assert [work.recording_id for work in shop.catalog.pending("old")] == [1, 2]
    assert sorted(shop.catalog.lookup([1, 2])) == [1, 2]  # they answer meanwhile
    fewer = SEGMENTS - 2
    rows = np.eye(DIM, dtype=np.float32)[:fewer]
    unit = LakeUnit(1, 0, np.arange(1, fewer + 1, dtype=np.int32), rows, random_peaks(fewer))
    file = shop.lake.write("old", [unit]).file
    shop.catalog.commit("old", [Done(1, fewer, 1, (file,), 3.0)], [], "again")
    assert [(load.recording_id, load.replaces) for load in shop.catalog.to_load(first.generation_id)] == [(1, True)]
    shop.fill(first)
    held = shop.vectors.fetch("first", np.array([vector_key(1, n) for n in range(SEGMENTS)], np.int64), strong=True)
    assert held.keys.tolist() == [vector_key(1, n) for n in range(1, fewer + 1)]
    assert np.allclose(held.vectors, rows)
    assert list(shop.catalog.to_load(first.generation_id)) == []


def test_what_is_to_be_deleted(shop: Shop) -> None:
    """Ids, uris and what vanished add up; an unknown one deletes nothing, and a source that lost too much is none."""
    shop.embed("old", {"a": "1", "b": "1", "c": "1", "d": "1"})
    wanted = DeleteConfig(track_ids=[2], uris=["a", "b"], removed=False, at_most=0.2)
    assert to_delete(wanted, shop.catalog) == [1, 2]
    with pytest.raises(ConfigurationError, match="no track 9, x"):
        to_delete(replace(wanted, track_ids=[9, 2], uris=["x"]), shop.catalog)
    with pytest.raises(ConfigurationError, match=r"needs delete\.track_ids"):
        to_delete(replace(wanted, track_ids=[], uris=[]), shop.catalog)
    shop.embed("old", {"a": "1", "b": "1", "c": "1"})
    gone = replace(wanted, track_ids=[], uris=[], removed=True)
    with pytest.raises(PreflightError, match="1 of 4 tracks are no longer listed"):
        to_delete(gone, shop.catalog)
    assert to_delete(replace(gone, at_most=0.25), shop.catalog) == [4]


def test_what_was_deleted_comes_back_with_the_next_run(shop: Shop) -> None:
    """A restored track is loaded from the lake and answers again; one that is not deleted cannot be restored."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    publish(first, shop.catalog, shop.vectors)
    delete_tracks([1, 2], shop.catalog, shop.vectors)
    wanted = DeleteConfig(track_ids=[1], uris=["b"], removed=False, at_most=0.2)
    assert to_restore(wanted, shop.catalog) == [1, 2]
    shop.catalog.restore_tracks([1])
    with pytest.raises(ConfigurationError, match="no deleted track 1"):
        to_restore(wanted, shop.catalog)
    for wrong in (replace(wanted, track_ids=[], uris=[]), replace(wanted, removed=True)):
        with pytest.raises(ConfigurationError, match="action=restore needs"):
            to_restore(wrong, shop.catalog)
    shop.embed("old", {"a": "1", "b": "1"})
    shop.fill(first)
    publish(first, shop.catalog, shop.vectors)
    assert shop.answers() == ("first", {"a"}, SEGMENTS)


def test_a_collection_that_is_gone_is_replaced(shop: Shop) -> None:
    """What the lake fills anew answers at once, where what answered is lost; nothing is rolled back to the lost one."""
    shop.embed("old", {"a": "1", "b": "1"})
    first = shop.generation("old", "first")
    shop.fill(first)
    publish(first, shop.catalog, shop.vectors)
    shop.vectors.drop("first")
    second = shop.generation("old", "second")
    shop.fill(second)
    publish(second, shop.catalog, shop.vectors)
    assert shop.answers() == ("second", {"a", "b"}, 2 * SEGMENTS)
    with pytest.raises(PreflightError, match="no earlier generation"):
        to_roll_back_to(shop.catalog, shop.vectors)
