"""The ledger says what is done, and saying it twice changes nothing."""

import pytest

from ingest.stores import CatalogStore, Done, MetadataError, Reject, Rejected, SourceFile

ENCODER, OTHER = "e" * 64, "f" * 64


@pytest.fixture
def three(catalog: CatalogStore) -> CatalogStore:
    """A catalogue with recordings 1, 2 and 3."""
    catalog.register([SourceFile(uri, "1", 10) for uri in ("a", "b", "c")], "run")
    return catalog


def done(recording_id: int, *files: str) -> Done:
    return Done(recording_id, 100, 2, files or ("one.parquet",), 90.0)


def open_ids(catalog: CatalogStore, encoder: str = ENCODER) -> list[int]:
    return [work.recording_id for work in catalog.pending(encoder)]


def test_commit_takes_work_away(three: CatalogStore) -> None:
    """Done and rejected recordings are no longer pending, for this encoder alone."""
    three.commit(ENCODER, [done(1)], [Reject(2, "silent", "nothing above −60 dB")], "run")
    assert open_ids(three) == [3]
    assert open_ids(three, OTHER) == [1, 2, 3]


def test_commit_is_idempotent(three: CatalogStore) -> None:
    """Committing again gives the same rows, the same attempts and the same counts."""
    for _ in range(2):
        three.commit(ENCODER, [done(1)], [Reject(2, "silent", "quiet")], "run")
    assert three.rejects(ENCODER) == [Rejected("b", "silent", "quiet", attempts=1)]
    counts = three.counts(ENCODER)
    assert (counts.tracks, counts.done, counts.rejected, counts.pending) == (3, 1, 1, 1)
    assert (counts.segments, counts.hours) == (100, 90.0 / 3600)
    three.commit(ENCODER, [], [], "run")


def test_pending_while_committing(three: CatalogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is committed while the listing is read is neither skipped nor given twice."""
    monkeypatch.setattr("ingest.stores.metadata.ledger.PAGE", 1)
    seen = []
    for work in three.pending(ENCODER):
        seen.append(work.recording_id)
        three.commit(ENCODER, [done(work.recording_id)], [], "run")
    assert seen == [1, 2, 3]


def test_a_reject_never_undoes_a_done(three: CatalogStore) -> None:
    """In one commit or in two, done wins; and done after a reject is done."""
    three.commit(ENCODER, [done(1)], [Reject(1, "silent", "quiet")], "run")
    three.commit(ENCODER, [], [Reject(1, "silent", "quiet"), Reject(2, "silent", "quiet")], "run")
    three.commit(ENCODER, [done(2)], [], "run")
    assert three.rejects(ENCODER) == []
    assert three.counts(ENCODER).done == 2


def test_rejects_can_be_tried_again(three: CatalogStore) -> None:
    """Forgotten rejects are pending, and the next attempt is counted."""
    three.commit(ENCODER, [done(1)], [Reject(2, "unreadable", "x"), Reject(3, "silent", "y")], "run")
    assert three.forget_rejects(ENCODER) == 2
    assert open_ids(three) == [2, 3]
    assert three.rejects(ENCODER) == []
    three.commit(ENCODER, [], [Reject(2, "unreadable", "again")], "run")
    assert three.rejects(ENCODER) == [Rejected("b", "unreadable", "again", attempts=2)]
    assert three.forget_rejects(OTHER) == 0


def test_odd_reasons(three: CatalogStore) -> None:
    """A reason with NUL, lone surrogates, emoji or a novel in it is stored as far as it can be."""
    three.commit(ENCODER, [], [Reject(1, "unreadable", "a\0b\udcff😀" + "x" * 100_000)], "run")
    (reject,) = three.rejects(ENCODER)
    assert reject.reason.startswith("ab\ufffd")
    assert "😀" in reject.reason
    assert len(reject.reason) == 2_000


def test_lake_files_are_named(three: CatalogStore) -> None:
    """Every file that a row of this encoder names is kept, also of a recording that is no longer current."""
    three.commit(ENCODER, [done(1, "one", "two"), done(2, "two")], [], "run")
    three.commit(OTHER, [done(1, "three")], [], "run")
    three.register([SourceFile("a", "2", 10)], "run")
    assert three.named_lake_files(ENCODER) == {"one", "two"}
    three.commit(ENCODER, [done(2, "four")], [], "run")
    assert three.named_lake_files(ENCODER) == {"one", "two", "four"}


def test_rejects_of_gone_files_are_not_listed(three: CatalogStore) -> None:
    """Rejects are those of what is listed now."""
    three.commit(ENCODER, [], [Reject(1, "silent", "quiet"), Reject(2, "silent", "quiet")], "run")
    three.register([SourceFile("a", "2", 10), SourceFile("c", "1", 10)], "run")
    assert three.rejects(ENCODER) == []
    counts = three.counts(ENCODER)
    assert (counts.tracks, counts.removed, counts.rejected, counts.pending) == (2, 1, 0, 2)


def test_a_failed_commit_leaves_nothing(three: CatalogStore) -> None:
    """If one row cannot be stored, none is."""
    with pytest.raises(MetadataError):
        three.commit(ENCODER, [done(1), Done(2, None, 1, ("f",), 1.0)], [], "run")  # type: ignore[arg-type]
    assert open_ids(three) == [1, 2, 3]


def test_runs_are_remembered(catalog: CatalogStore) -> None:
    """Runs come newest first, with how they ended."""
    for number in range(3):
        catalog.start_run(f"run{number}", "run")
    catalog.finish_run("run1", "done", {"new": 3})
    newest, middle, _ = catalog.runs()
    assert (newest.run_id, newest.state, newest.ended_at) == ("run2", "running", None)
    assert (middle.state, middle.counts) == ("done", {"new": 3})
    assert middle.ended_at is not None
    assert middle.ended_at >= middle.started_at
    assert len(catalog.runs(limit=1)) == 1


def test_files_with_the_same_audio_are_found(catalog: CatalogStore) -> None:
    """Present files whose samples have one hash stand together by hash; a file alone, a removed and a reject do not."""
    catalog.register([SourceFile(uri, "1", 10) for uri in "abcdef"], "run")
    hashes = {1: "x", 2: "y", 3: "x", 4: "z", 5: "z"}
    done = [Done(number, 10, 1, ("f",), 1.0, content_hash=found) for number, found in hashes.items()]
    catalog.commit(ENCODER, done, [Reject(6, "unreadable", "?")], "run")
    assert list(catalog.same_audio(ENCODER)) == [("x", "a"), ("x", "c"), ("z", "d"), ("z", "e")]
    catalog.register([SourceFile(uri, "1", 10) for uri in "abcdf"], "run")
    assert list(catalog.same_audio(ENCODER)) == [("x", "a"), ("x", "c")]
