"""What is known of tracks: from memory, from the metadata store, and without it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.fingerprint.pcm import to_int16
from ingest.stores import MetadataConfig, MetadataError, PublishedChanges, open_metadata
from scripts.services import free_ports, mariadb
from serve.directory import Directory, Nameless
from serve.fakes import MemoryCatalog
from serve.published import Published
from serve.recogniser import Recogniser
from tests.service.world import World, config
from tests.stores.test_publication import loaded

AWAY = MetadataError("MySQL does not answer")


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog() -> MemoryCatalog:
    catalog = MemoryCatalog()
    for number in (1, 2, 3):
        catalog.add(number, f"song {number}.flac")
    return catalog


def directory(catalog: MemoryCatalog, clock: Clock, *options: str) -> Directory:
    made = Directory(catalog, config(*options).lookups, clock)
    made.look()
    return made


def uris(found: dict[int, object] | None) -> list[str]:
    assert found is not None
    return sorted(track.uri for track in found.values())  # type: ignore[attr-defined]


def test_ids_are_known_without_asking(catalog: MemoryCatalog, clock: Clock) -> None:
    """What is published is answered from memory; names take one query, and none while they are kept."""
    known = directory(catalog, clock)
    assert known.published([1, 3, 99]) == {1: 1, 3: 3}
    assert catalog.lookups == 0
    for _ in range(2):
        assert uris(known.named([1, 3])) == ["song 1.flac", "song 3.flac"]  # type: ignore[arg-type]
    assert catalog.lookups == 1


def test_names_are_not_kept_for_long(catalog: MemoryCatalog, clock: Clock) -> None:
    """After `cache_s` a name is asked for again, and that a recording is not published is kept no longer either."""
    known = directory(catalog, clock, "lookups.cache_s=5")
    assert known.named([1, 4]) == {1: catalog.tracks[1]}
    catalog.add(4, "song 4.flac")
    del catalog.tracks[1]
    assert list(known.named([1, 4]) or ()) == [1]
    clock.now = 5.1
    assert list(known.named([1, 4]) or ()) == [4]


def test_a_publication_makes_names_be_asked_for_again(catalog: MemoryCatalog, clock: Clock) -> None:
    """What was published or deleted elsewhere is known after the next look, however fresh the names are."""
    known = directory(catalog, clock)
    assert list(known.named([1, 4]) or ()) == [1]
    catalog.add(4, "song 4.flac")
    del catalog.tracks[1]
    known.look()
    assert known.published([1, 2, 4]) == {2: 2, 4: 4}
    assert list(known.named([1, 4]) or ()) == [4]


def test_a_track_deleted_here_is_gone_at_once(catalog: MemoryCatalog, clock: Clock) -> None:
    """A withdrawn track is neither published nor named, although the store went away before it could be looked at."""
    known = directory(catalog, clock)
    known.named([2])
    catalog.remove_tracks([2])
    catalog.failure = AWAY
    known.withdraw(2)
    assert known.published([1, 2]) == {1: 1}
    assert known.named([2]) is None


def test_ids_are_left_when_the_store_is_away(catalog: MemoryCatalog, clock: Clock) -> None:
    """Without the store ids are told as of the last look, names only as long as they are kept, for `degraded_s`."""
    known = directory(catalog, clock, "lookups.cache_s=5", "lookups.degraded_s=60")
    known.named([1])
    catalog.failure = AWAY
    assert known.named([1]) and known.named([1, 2]) is None
    assert known.degraded and known.stands_in
    clock.now = 6.0
    assert known.named([1]) is None
    assert known.published([1, 2]) == {1: 1, 2: 2}
    clock.now = 61.0
    for asked in (known.published, known.named):
        with pytest.raises(MetadataError, match="MySQL does not answer"):
            asked([1])
    catalog.failure = None
    known.look()
    assert not known.degraded and known.named([1])


def test_a_store_that_is_away_is_not_waited_for(catalog: MemoryCatalog, clock: Clock) -> None:
    """From its first failure to the next look the store is asked for nothing."""
    known = directory(catalog, clock)
    catalog.failure = AWAY
    assert known.named([1]) is None
    catalog.failure = None
    assert known.named([1]) is None
    assert catalog.lookups == 0
    known.look()
    assert known.named([1])


def test_a_large_catalogue_is_asked(catalog: MemoryCatalog, clock: Clock) -> None:
    """Beyond `published_tracks` ids are kept for `cache_s` alone, and without the store nothing is answered."""
    known = directory(catalog, clock, "lookups.published_tracks=2", "lookups.cache_s=5")
    assert known.published([1, 99]) == {1: 1}
    assert known.published([99]) == {} and known.named([1]) == {1: catalog.tracks[1]}
    assert catalog.lookups == 1
    catalog.failure = AWAY
    clock.now = 5.1
    assert not known.stands_in
    with pytest.raises(MetadataError):
        known.published([1])


def test_a_store_that_was_set_back_is_read_anew(clock: Clock) -> None:
    """Where the numbers of publications begin again, as after a restored backup, nothing old is left."""
    catalog = MemoryCatalog(number=7)
    catalog.add(1, "new")
    known = directory(catalog, clock)
    older = MemoryCatalog()
    older.add(2, "old")
    known._catalog = older
    known.look()
    assert known.published([1, 2]) == {2: 2}


@given(st.lists(st.dictionaries(st.integers(1, 20), st.integers(-1, 3)), max_size=6))
def test_changes_add_up(steps: list[dict[int, int]]) -> None:
    """Following change by change ends where a plain dictionary does; a track's recordings are never another's."""
    known, expected = Published.nothing(), dict[int, int]()
    for step in steps:
        step = {track: track * 10 + version if version >= 0 else -1 for track, version in step.items()}
        expected = {track: recording for track, recording in (expected | step).items() if recording >= 0}
        known = known.after(
            PublishedChanges(1, np.array(list(step), np.int64), np.array(list(step.values()), np.int64))
        )
    asked = list(range(250))
    assert known.among(asked) == {recording: track for track, recording in expected.items()}


@pytest.mark.parametrize("old_vectors", [True, False])
def test_what_was_replaced_since_the_last_look_is_matched_again(old_vectors: bool) -> None:
    """A track whose recording was exchanged is answered at once by the new one, whether the old vectors are there still
    or gone."""
    world = World.with_songs()
    known = world.directory()
    query = world.embedder.embed(to_int16(world.clip(2, 11.0, 8.0)))
    world.vectors.add("songs", 22, world.embedder.embed(to_int16(world.songs[2])))
    world.catalog.add(22, "song 2, new.flac")
    del world.catalog.tracks[2]
    if not old_vectors:
        world.vectors.delete_recordings("songs", [2])
    assert world.catalog.active is not None
    found = Recogniser(world.vectors, known, world.catalog.active).recognise(query)
    assert [match.track.uri for match in found] == ["song 2, new.flac"]


def test_what_is_not_published_costs_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that wait for their publication make a clip of nothing else look once for news, and match once."""
    world = World.with_songs()
    world.add(5, world.songs[1][::-1], publish=False)
    known = world.directory()
    looks = []
    monkeypatch.setattr(
        world.catalog, "publication", lambda: looks.append(1) or MemoryCatalog.publication(world.catalog)
    )
    query = world.embedder.embed(to_int16(world.clip(5, 11.0, 8.0)))
    assert world.catalog.active is not None
    recogniser = Recogniser(world.vectors, known, world.catalog.active)
    assert recogniser.recognise(query) == [] and len(looks) == 1
    world.catalog.failure = AWAY
    for _ in range(3):
        assert recogniser.recognise(query) == []
    assert len(looks) == 2


def test_a_clip_is_told_without_names() -> None:
    """Without the metadata store a match has its id, place and confidence, and no names."""
    world = World.with_songs()
    known = world.directory()
    query = world.embedder.embed(to_int16(world.clip(2, 11.0, 8.0)))
    assert world.catalog.active is not None
    recogniser = Recogniser(world.vectors, known, world.catalog.active)
    (whole,) = recogniser.recognise(query)
    known.forget()
    world.catalog.failure = AWAY
    (match,) = recogniser.recognise(query)
    assert match.track == Nameless(2)
    assert match.alignment == whole.alignment


@pytest.mark.integration
def test_a_real_store_that_stops_and_comes_back(tmp_path: Path) -> None:
    """What MySQL published is told while its server is down, without what was deleted before, and again afterwards."""
    (port,) = free_ports(1)
    with mariadb(tmp_path / "db", port) as server:
        wanted = MetadataConfig(kind="mysql", url=f"{server}/music", timeout_s=2, answer_s=5)
        catalog = open_metadata(wanted, tmp_path / "home").catalog()
        catalog.activate(loaded(catalog, "abc"))
        known = Directory(catalog, config().lookups)
        known.look()
        catalog.remove_tracks([2])
        assert list(known.named([1, 2]) or ()) == [1]
        known.look()
    assert known.published([1, 2, 3]) == {1: 1, 3: 3}
    known.forget()
    assert known.named([1]) is None and known.degraded
    with pytest.raises(MetadataError):
        known.look()
    with mariadb(tmp_path / "db", port):
        known.look()
        assert list(known.named([1, 2, 3]) or ()) == [1, 3] and not known.degraded
