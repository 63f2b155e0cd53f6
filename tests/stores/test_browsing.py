"""Tracks listed, searched and compared, alike on SQLite and MySQL."""

from ingest.stores import CatalogStore, Done, Metadata, SourceFile

ENCODER = "e" * 64


def register(catalog: CatalogStore, **titles: str) -> None:
    catalog.register([SourceFile(f"{uri}.flac", "1", 1, title=title) for uri, title in titles.items()], "run")


def decoded(catalog: CatalogStore, **hashes: str | None) -> None:
    """Say what decoding found: the content hash of each uri."""
    works = {work.uri: work.recording_id for work in catalog.pending(ENCODER)}
    done = [Done(works[f"{uri}.flac"], 1, 1, ("f",), 1.0, content_hash=found) for uri, found in hashes.items()]
    catalog.commit(ENCODER, done, [], "run")


def found(catalog: CatalogStore, text: str) -> list[str]:
    return [track.uri.removesuffix(".flac") for track in catalog.find_tracks(text, limit=100)]


def test_pages_follow_each_other(catalog: CatalogStore) -> None:
    """Every track comes once, by id, whatever the size of a page, and new or deleted ones disturb no later page."""
    register(catalog, **{f"s{number:02}": "T" for number in range(11)})
    seen: list[int] = []
    while page := catalog.find_tracks(limit=4, after=seen[-1] if seen else 0):
        seen += [track.track_id for track in page]
        catalog.remove_tracks(seen[:1])
    assert seen == list(range(1, 12))
    assert [track.track_id for track in catalog.find_tracks(limit=2)] == [2, 3]


def test_words_are_searched_in_every_field(catalog: CatalogStore) -> None:
    """Each word must stand somewhere in title, artist, isrc or uri; tags of the file count where no manifest speaks."""
    catalog.register(
        [SourceFile("jazz/one", "1", 1, title="Moonlight", artist="The Band"), SourceFile("b", "1", 1, isrc="DEA12")],
        "run",
    )
    done = [Done(1, 1, 1, ("f",), 1.0, title="Tagged", artist="Nobody"), Done(2, 1, 1, ("f",), 1.0, title="Lost")]
    catalog.commit(ENCODER, done, [], "run")
    wanted = {"moonLIGHT": ["jazz/one"], "band jazz": ["jazz/one"], "": ["b", "jazz/one"]}
    wanted |= {"dea12 tag": ["b"], "lost": [], "band dea12": []}
    for text, uris in wanted.items():
        assert sorted(track.uri for track in catalog.find_tracks(text, limit=9)) == uris, text


def test_signs_stand_for_themselves(catalog: CatalogStore) -> None:
    """Nothing in the text is a wildcard, an escape or SQL."""
    register(catalog, a="100%", b="100", c="x_y", d="xzy", e="back\\slash", f="it's", g="ÄRGER", h="a/b")
    assert found(catalog, "0%") == ["a"]
    assert found(catalog, "x_y") == ["c"]
    assert found(catalog, "k\\s") == ["e"]
    assert found(catalog, "it's") == ["f"]
    assert found(catalog, "ärger") == ["g"]
    assert found(catalog, "a/b") == ["h"]
    assert found(catalog, "' OR 1=1 --") == []


def test_tracks_with_the_same_audio(catalog: CatalogStore, metadata: Metadata) -> None:
    """Equal samples make duplicates, within the catalogue, without deleted tracks; undecoded ones have none."""
    register(catalog, a="1", b="2", c="3", d="4", e="5", f="6")
    register(metadata.catalog("other"), a="1")
    decoded(catalog, a="h1", b="h1", c="h2", d="h1", e=None)
    decoded(metadata.catalog("other"), a="h1")
    assert {n: [t.track_id for t in catalog.duplicates(n) or []] for n in range(1, 7)} == {
        1: [2, 4], 2: [1, 4], 3: [], 4: [1, 2], 5: [], 6: [],
    }  # fmt: skip
    catalog.remove_tracks([2])
    assert [track.track_id for track in catalog.duplicates(1) or []] == [4]
    assert catalog.duplicates(2) is None
    assert catalog.duplicates(99) is None
