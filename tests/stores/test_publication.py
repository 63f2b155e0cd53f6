"""What changed since a publication: told to readers that keep what is published in memory."""

import threading

from ingest.stores import CatalogStore, Done, Metadata, SourceFile

ENCODER = "e" * 64


def loaded(catalog: CatalogStore, uris: str, version: str = "1") -> int:
    """Register a track for each letter, done and loaded; the generation's number."""
    catalog.register([SourceFile(uri, version, 1) for uri in uris], "run")
    generation = catalog.generation(ENCODER) or catalog.create_generation(f"songs_{catalog.name}", ENCODER, 4, "FLAT")
    work = list(catalog.pending(ENCODER))
    catalog.commit(ENCODER, [Done(one.recording_id, 1, 1, ("f",), 1.0) for one in work], [], "run")
    catalog.mark_loaded(generation.generation_id, {one.recording_id: 1 for one in work})
    return generation.generation_id


def told(catalog: CatalogStore, number: int | None) -> tuple[int, dict[int, int]]:
    """The publication told, and recording ids by track id."""
    changes = catalog.published_since(number)
    pairs = zip(changes.track_ids.tolist(), changes.recording_ids.tolist(), strict=True)
    return changes.number, dict(pairs)


def test_nothing_is_published_of_an_empty_catalogue(catalog: CatalogStore) -> None:
    """Before the first run there is no publication, no track, and asking is fine."""
    assert (catalog.publication().number, catalog.publication().tracks) == (0, 0)
    assert told(catalog, None) == (0, {})


def test_every_change_of_what_answers_has_a_number(catalog: CatalogStore) -> None:
    """Publishing, replacing, deleting and restoring raise the number, and each tells its own tracks alone."""
    generation = loaded(catalog, "abc")
    assert told(catalog, None) == (0, {})
    catalog.activate(generation)
    first, published = told(catalog, None)
    assert published == {1: 1, 2: 2, 3: 3}
    catalog.publish(loaded(catalog, "abcd"))
    second, published = told(catalog, first)
    assert published == {4: 4}
    catalog.publish(loaded(catalog, "a", version="2"))
    third, published = told(catalog, second)
    assert published == {1: 5}
    catalog.remove_tracks([2, 3])
    fourth, published = told(catalog, third)
    assert published == {2: -1, 3: -1}
    catalog.restore_tracks([2])
    catalog.publish(generation)
    assert told(catalog, fourth)[1] == {2: 2}
    assert told(catalog, catalog.publication().number)[1] == {}
    assert told(catalog, None)[1] == {1: 5, 2: 2, 4: 4}
    assert catalog.publication().tracks == 4


def test_catalogues_have_numbers_of_their_own(metadata: Metadata) -> None:
    """What one catalogue publishes is no news for another in the same database."""
    one, other = metadata.catalog("one"), metadata.catalog("other")
    one.activate(loaded(one, "ab"))
    assert told(other, None) == (0, {})
    assert told(one, None)[1] == {1: 1, 2: 2}


def test_no_change_is_missed_among_many_writers(catalog: CatalogStore) -> None:
    """A reader that follows from number to number while threads delete and restore ends with what is published."""
    generation = loaded(catalog, "abcdefghij")
    catalog.activate(generation)
    writing = threading.Event()

    def rewrite(track_ids: list[int]) -> None:
        for _ in range(10):
            catalog.remove_tracks(track_ids)
            catalog.restore_tracks(track_ids)
            catalog.publish(generation)

    writers = [threading.Thread(target=rewrite, args=([first, first + 1],)) for first in (1, 4, 7)]
    number, known = told(catalog, None)
    for writer in writers:
        writer.start()
    while not writing.is_set():
        if not any(writer.is_alive() for writer in writers):
            writing.set()
        number, changed = told(catalog, number)
        known |= changed
    assert {track: recording for track, recording in known.items() if recording >= 0} == told(catalog, None)[1]
    assert len(told(catalog, None)[1]) == 10
