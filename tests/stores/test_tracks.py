"""Listings become tracks and recordings, alike on SQLite and MySQL."""

import random
from collections.abc import Iterable

import pytest

from ingest.stores import CatalogStore, ConfigurationError, Done, Metadata, PlanCounts, SourceFile, UnusableName
from ingest.stores.metadata.listing import SORTED_BYTES
from ingest.stores.metadata.text import uri_hash

ENCODER = "e" * 64


def file(uri: str, version: str = "1", **tags: str) -> SourceFile:
    return SourceFile(uri, version, 1_000, **tags)


def pending(catalog: CatalogStore) -> list[tuple[int, int, str, str]]:
    return [(work.recording_id, work.track_id, work.uri, work.version) for work in catalog.pending(ENCODER)]


def publish(catalog: CatalogStore, recording_ids: Iterable[int]) -> int:
    """Take recordings through ledger, load and publication; the generation's id."""
    ids = list(recording_ids)
    catalog.commit(ENCODER, [Done(number, 10, 1, ("a.parquet",), 60.0) for number in ids], [], "run")
    generation = catalog.generation(ENCODER) or catalog.create_generation("c", ENCODER, 128, "FLAT")
    catalog.mark_loaded(generation.generation_id, dict.fromkeys(ids, 10))
    catalog.activate(generation.generation_id)
    return generation.generation_id


def test_ids_follow_sorted_uris(metadata: Metadata) -> None:
    """Two catalogues with the same files in different order get the same ids; of very long uris the hash decides."""
    uris = [f"music/{name}.mp3" for name in ("zebra", "Äther", "ant", "☃", "😀", "b")] + ["a" * 3_000, "a" * 2_999]
    for name, order in (("one", uris), ("two", random.Random(1).sample(uris, len(uris)))):
        metadata.catalog(name).register(map(file, order), "run")
    first, second = (pending(metadata.catalog(name)) for name in ("one", "two"))
    assert first == second
    ordered = sorted(uris, key=lambda uri: (uri.encode()[:SORTED_BYTES], uri_hash(uri)))
    assert [row[:3] for row in first] == [(n, n, uri) for n, uri in enumerate(ordered, start=1)]
    assert ordered[2:] == sorted(uris)[2:]


def test_counts_add_up(catalog: CatalogStore) -> None:
    """New, changed, unchanged, vanished and repeated files are told apart, by compare as by register."""
    first = [file("a"), file("b"), file("c"), file("a", "2")]
    counts = PlanCounts(listed=4, new=3, changed=0, unchanged=0, removed=0, duplicates=1)
    assert catalog.compare(first) == counts
    assert catalog.register(first, "run") == counts
    second = [file("b", "2"), file("c"), file("d")]
    counts = PlanCounts(listed=3, new=1, changed=1, unchanged=1, removed=1, duplicates=0)
    assert catalog.compare(second) == counts
    assert catalog.register(second, "run") == counts
    assert catalog.register(second, "run") == PlanCounts(listed=3, unchanged=3)


def test_compare_writes_nothing(catalog: CatalogStore) -> None:
    """After compare there is still nothing to do."""
    catalog.compare([file("a")])
    assert pending(catalog) == []


def test_a_change_is_a_new_recording_of_the_same_track(catalog: CatalogStore) -> None:
    """The track keeps its id and goes on answering with the old recording until the new one is published."""
    catalog.register([file("a"), file("b")], "run")
    generation = publish(catalog, [1, 2])
    catalog.register([file("a", "2"), file("b")], "run")
    assert pending(catalog) == [(3, 1, "a", "2")]
    assert {number: track.track_id for number, track in catalog.lookup([1, 2, 3]).items()} == {1: 1, 2: 2}
    publish(catalog, [3])
    assert {number: track.track_id for number, track in catalog.lookup([1, 2, 3]).items()} == {3: 1, 2: 2}
    assert catalog.superseded(generation) == [1]
    catalog.forget_loads(generation, [1])
    assert catalog.superseded(generation) == []
    assert catalog.loaded_segments(generation) == 20


def test_a_content_that_comes_back_keeps_its_recording(catalog: CatalogStore) -> None:
    """A file restored to an earlier version is that recording again, done and all."""
    catalog.register([file("a")], "run")
    publish(catalog, [1])
    catalog.register([file("a", "2")], "run")
    catalog.register([file("a")], "run")
    assert pending(catalog) == []
    catalog.register([file("a", "3")], "run")
    assert pending(catalog) == [(3, 1, "a", "3")]


def test_vanished_files_answer_and_come_back(catalog: CatalogStore) -> None:
    """A file that is no longer listed keeps answering and is not worked on; when it reappears it is as before."""
    catalog.register([file("a"), file("b")], "run")
    publish(catalog, [1])
    catalog.register([], "run")
    assert list(catalog.removed_tracks()) == [(1, "a"), (2, "b")]
    assert pending(catalog) == []
    assert list(catalog.lookup([1])) == [1]
    catalog.register([file("a"), file("b")], "run")
    assert list(catalog.removed_tracks()) == []
    assert pending(catalog) == [(2, 2, "b", "1")]


def test_removed_tracks_stay_away(catalog: CatalogStore) -> None:
    """A deleted track stops answering at once and is not ingested again, changed or not, until it is restored."""
    catalog.register([file("a"), file("b")], "run")
    generation = publish(catalog, [1, 2])
    assert catalog.remove_tracks([1]) == [1]
    assert list(catalog.lookup([1, 2])) == [2]
    assert catalog.track(1) is None
    assert catalog.superseded(generation) == [1]
    catalog.forget_loads(generation, [1])
    assert catalog.register([file("a", "2"), file("b")], "run").unchanged == 2
    assert pending(catalog) == []
    assert list(catalog.to_load(generation)) == []
    catalog.restore_tracks([1])
    assert [load.recording_id for load in catalog.to_load(generation)] == [1]
    assert catalog.register([file("a", "2"), file("b")], "run").changed == 1


def test_tracks_show_the_manifest_before_the_tags(catalog: CatalogStore) -> None:
    """What the manifest says wins over the file's tags; what it no longer says falls back to them."""
    catalog.register([file("a", title="Manifest", isrc="XX0000000001")], "run")
    done = Done(1, 10, 1, ("f",), 61.5, title="Tag", artist="Tag artist", album=" \0 ")
    catalog.commit(ENCODER, [done], [], "run")
    track = catalog.track(1)
    assert track is not None
    assert (track.title, track.artist, track.album, track.isrc) == ("Manifest", "Tag artist", None, "XX0000000001")
    assert track.duration_s == 61.5
    assert catalog.register([file("a")], "run").unchanged == 1
    track = catalog.track(1)
    assert track is not None
    assert (track.title, track.isrc) == ("Tag", None)


def test_uris_come_back_as_they_were(catalog: CatalogStore) -> None:
    """Case, trailing spaces, composed and decomposed letters, emoji, quotes and NUL make different uris."""
    uris = sorted(
        ["a", "A", "a ", "a\u0301", "\u00e1", "😀", "'; DROP TABLE tracks; --", "%s %(x)s :x ?", "a\0b", "a\\b", "\n"]
    )
    assert catalog.register(map(file, uris), "run").new == len(uris)
    assert [row[2] for row in pending(catalog)] == uris
    assert catalog.register(map(file, uris), "run").unchanged == len(uris)


@pytest.mark.parametrize("uri", ["bad\udcff.mp3", "", "x" * 70_000])
def test_names_that_cannot_be_stored(catalog: CatalogStore, uri: str) -> None:
    """A uri that is no Unicode, empty or endless is refused, and nothing of the listing is written."""
    with pytest.raises(UnusableName):
        catalog.register([file("good"), file(uri)], "run")
    assert pending(catalog) == []


@pytest.mark.parametrize(
    ("one", "other"), [("v" * 999 + "1", "v" * 999 + "2"), ("v", "v "), ("V", "v"), ("\udc80", "\udc81")]
)
def test_versions_that_hardly_differ(catalog: CatalogStore, one: str, other: str) -> None:
    """Versions differ where they differ: at the end of a long one, in a space, in case."""
    catalog.register([file("a", one)], "run")
    assert catalog.register([file("a", one)], "run").unchanged == 1
    assert catalog.register([file("a", other)], "run").changed == 1


def test_thousands_of_files(catalog: CatalogStore) -> None:
    """More rows than fit one statement or one page are registered, listed, looked up and removed."""
    files = [file(f"{n:05}") for n in range(6_000)]
    catalog.register(files, "run")
    assert [row[0] for row in pending(catalog)] == list(range(1, 6_001))
    publish(catalog, range(1, 6_001))
    assert len(catalog.lookup(range(1, 10_000))) == 6_000
    changed = [file(one.uri, "2") for one in files[:900]]
    counts = catalog.register(changed, "run")
    assert (counts.changed, counts.removed) == (900, 5_100)
    assert list(catalog.removed_tracks()) == [(n + 1, f"{n:05}") for n in range(900, 6_000)]


def test_catalogues_do_not_mix(metadata: Metadata) -> None:
    """Equal uris and ids in two catalogues are two tracks; names are kept apart by case."""
    for name in ("one", "One"):
        metadata.catalog(name).register([file("a", title=name)], "run")
        publish_as(metadata.catalog(name), name)
    assert metadata.catalog_names() == ["One", "one"]
    assert {name: metadata.catalog(name).lookup([1])[1].title for name in ("one", "One")} == {
        "one": "one",
        "One": "One",
    }
    metadata.catalog("one").remove_tracks([1])
    assert list(metadata.catalog("One").lookup([1])) == [1]


def publish_as(catalog: CatalogStore, collection: str) -> None:
    catalog.commit(ENCODER, [Done(1, 10, 1, ("f",), 1.0)], [], "run")
    generation = catalog.create_generation(collection, ENCODER, 128, "FLAT")
    catalog.mark_loaded(generation.generation_id, {1: 10})
    catalog.activate(generation.generation_id)


@pytest.mark.parametrize("name", ["", "../up", "a b", "x" * 65, "ümlaut", "-a"])
def test_catalogue_names(metadata: Metadata, name: str) -> None:
    """A name that cannot stand in a path is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match=r"catalog\.name"):
        metadata.catalog(name)
