"""Generations: one pointer says which collection answers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.stores import CatalogStore, Done, Load, Metadata, MetadataError, SourceFile

ENCODER, OTHER = "e" * 64, "f" * 64


@pytest.fixture
def two(catalog: CatalogStore) -> CatalogStore:
    """A catalogue with recordings 1 and 2, both done."""
    catalog.register([SourceFile(uri, "1", 10) for uri in ("a", "b")], "run")
    catalog.commit(ENCODER, [Done(n, 10 * n, 1, (f"{n}.parquet",), 1.0) for n in (1, 2)], [], "run")
    return catalog


def test_an_empty_catalogue_has_none(catalog: CatalogStore) -> None:
    """Before the first run nothing answers, and asking is fine."""
    assert catalog.active_generation() is None
    assert catalog.generation(ENCODER) is None
    assert catalog.lookup([1]) == {}
    assert catalog.track(1) is None


def test_the_pointer_moves(two: CatalogStore) -> None:
    """Activating a generation retires the one before, and back."""
    blue = two.create_generation("blue", ENCODER, 128, "FLAT")
    assert (blue.state, blue.calibration, blue.dim, blue.index) == ("filling", None, 128, "FLAT")
    green = two.create_generation("green", OTHER, 64, "HNSW")
    two.mark_ready(green.generation_id)
    for chosen, left in ((blue, green), (green, blue), (blue, green)):
        two.activate(chosen.generation_id)
        active = two.active_generation()
        assert active is not None
        assert (active.collection, active.state) == (chosen.collection, "active")
        (other,) = (one for one in two.generations() if one.collection == left.collection)
        assert other.state in ("retired", "ready")
    assert two.generation(OTHER) == two.generations()[1]


def test_calibration_is_kept(two: CatalogStore) -> None:
    """Nested numbers come back exactly."""
    calibration = {"weights": [0.1, 1e-17, -3.0], "threshold": 0.5, "name": "erste 😀"}
    generation = two.create_generation("blue", ENCODER, 128, "FLAT")
    two.set_calibration(generation.generation_id, calibration)
    stored = two.generation(ENCODER)
    assert stored is not None
    assert stored.calibration == calibration


def test_loading_is_resumed(two: CatalogStore) -> None:
    """What is loaded is not loaded again, and marking it twice counts once."""
    generation = two.create_generation("blue", ENCODER, 128, "FLAT").generation_id
    assert list(two.to_load(generation)) == [Load(1, 10, ("1.parquet",)), Load(2, 20, ("2.parquet",))]
    for _ in range(2):
        two.mark_loaded(generation, {1: 10})
    assert [load.recording_id for load in two.to_load(generation)] == [2]
    assert two.loaded_segments(generation) == 10
    two.mark_loaded(generation, {})


def test_some_of_what_is_to_be_loaded(two: CatalogStore) -> None:
    """Of some recordings only, or of all but one run's: what is loaded, or of no recording, is not among them."""
    generation = two.create_generation("blue", ENCODER, 128, "FLAT").generation_id
    two.register([SourceFile(uri, "1", 10) for uri in ("a", "b", "c")], "again")
    two.commit(ENCODER, [Done(3, 30, 1, ("3.parquet",), 1.0)], [], "again")
    two.mark_loaded(generation, {1: 10})
    assert list(two.to_load_among(generation, [3, 1, 99])) == [Load(3, 30, ("3.parquet",))]
    assert list(two.to_load_among(generation, [])) == []
    assert [load.recording_id for load in two.to_load(generation, but_of="again")] == [2]
    assert [load.recording_id for load in two.to_load(generation, but_of="run")] == [3]


def test_a_job_commits_and_loads_at_once(catalog: CatalogStore) -> None:
    """Two threads of the one writer, each with its transactions: neither fails, all is in."""
    files = 300
    catalog.register([SourceFile(f"{number:03}", "1", 10) for number in range(files)], "run")
    generation = catalog.create_generation("blue", ENCODER, 128, "FLAT").generation_id

    def load() -> None:
        while catalog.loaded_segments(generation) < files:
            waiting = list(catalog.to_load(generation))
            catalog.mark_loaded(generation, {load.recording_id: load.segments for load in waiting})

    with catalog.lock(), ThreadPoolExecutor(1) as other:
        loading = other.submit(load)
        for number in range(1, files + 1):
            catalog.commit(ENCODER, [Done(number, 1, 1, ("a.parquet",), 1.0)], [], "run")
        loading.result(60)
    assert catalog.counts(ENCODER).done == catalog.loaded_segments(generation) == files


def test_only_what_is_loaded_is_published(two: CatalogStore) -> None:
    """A track answers when the generation holds its recording, and not before."""
    generation = two.create_generation("blue", ENCODER, 128, "FLAT").generation_id
    two.mark_loaded(generation, {2: 20})
    assert two.publish(generation) == 1
    assert list(two.lookup([1, 2])) == [2]
    two.mark_loaded(generation, {1: 10})
    assert two.publish(generation) == 1
    assert two.publish(generation) == 0
    assert two.superseded(generation) == []


def test_a_new_generation_holds_all_that_answers(two: CatalogStore) -> None:
    """A track whose new content is rejected, or that is no longer listed, is loaded into a new generation too."""
    blue = two.create_generation("blue", ENCODER, 128, "FLAT").generation_id
    two.mark_loaded(blue, {1: 10, 2: 20})
    two.activate(blue)
    two.register([SourceFile("a", "2", 10)], "run")
    green = two.create_generation("green", ENCODER, 128, "HNSW").generation_id
    assert [load.recording_id for load in two.to_load(green)] == [1, 2]


def test_a_loaded_recording_that_is_about_to_answer_is_kept(two: CatalogStore) -> None:
    """Between load and publication a new recording is not superseded."""
    generation = two.create_generation("blue", ENCODER, 128, "FLAT").generation_id
    two.mark_loaded(generation, {1: 10, 2: 20})
    assert two.superseded(generation) == []


def test_names_of_collections_are_unique(two: CatalogStore, metadata: Metadata) -> None:
    """A second generation cannot take a collection, not even from another catalogue."""
    two.create_generation("blue", ENCODER, 128, "FLAT")
    for catalog in (two, metadata.catalog("other")):
        with pytest.raises(MetadataError):
            catalog.create_generation("blue", OTHER, 128, "FLAT")


def test_generations_of_others_cannot_be_activated(two: CatalogStore, metadata: Metadata) -> None:
    """A catalogue's pointer never names another catalogue's generation, or none that exists."""
    foreign = metadata.catalog("other").create_generation("blue", ENCODER, 128, "FLAT").generation_id
    for number in (foreign, 999):
        with pytest.raises(MetadataError, match="no such generation"):
            two.activate(number)
    assert two.active_generation() is None
