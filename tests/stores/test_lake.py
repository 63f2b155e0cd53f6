"""The lake holds what was written, whole or not at all."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ingest.fingerprint.grid import vector_key
from ingest.stores import ConfigurationError, Lake, LakeConfig, LakeError, LakeUnit, open_lake
from tests.stores.disks import grow, small_disk
from tests.stores.rows import random_peaks

ENCODER = "e" * 64
OTHER = "f" * 64
DIM = 8


@pytest.fixture(params=["local", "memory"])
def lake(request: pytest.FixtureRequest, home: Path) -> Lake:
    """A lake in the home's folder, and one in a store that knows no rename."""
    uri = None if request.param == "local" else f"memory://{home}/lake"
    return open_lake(LakeConfig(uri), home)


def unit(recording_id: int, window: int, segments: range, seed: int = 0) -> LakeUnit:
    values = np.random.default_rng([recording_id, window, seed]).normal(size=(len(segments), DIM))
    peaks = random_peaks(len(segments), seed + window)
    return LakeUnit(recording_id, window, np.array(segments, np.int32), values.astype(np.float32), peaks)


def test_what_is_written_is_read(lake: Lake) -> None:
    """Keys come back sorted, peaks as they were and vectors to the precision of float16, whatever the order written."""
    units = [unit(2, 0, range(3)), unit(1, 1, range(10, 14)), unit(1, 0, range(0, 8, 2))]
    receipt = lake.write(ENCODER, units)
    (read,) = lake.read(ENCODER, {1: [receipt.file], 2: [receipt.file]})
    expected = [vector_key(1, s) for s in (0, 2, 4, 6, 10, 11, 12, 13)] + [vector_key(2, s) for s in (0, 1, 2)]
    assert read.keys.tolist() == expected
    assert read.vectors.dtype == np.float32
    written = np.concatenate([units[2].vectors, units[1].vectors, units[0].vectors])
    assert np.array_equal(read.vectors, written.astype(np.float16).astype(np.float32))
    assert read.peaks.dtype == np.uint16
    assert np.array_equal(read.peaks, np.concatenate([units[2].peaks, units[1].peaks, units[0].peaks]))
    assert receipt.rows == 11


def test_only_named_pairs_are_read(lake: Lake) -> None:
    """A window that lies in two files counts once, from the file that is named for its recording."""
    old = lake.write(ENCODER, [unit(1, 0, range(4), seed=1), unit(2, 0, range(2))])
    new = lake.write(ENCODER, [unit(1, 0, range(4), seed=2), unit(3, 0, range(5))])
    read = list(lake.read(ENCODER, {1: [new.file], 2: [old.file]}))
    assert [(part.keys >> 20).tolist() for part in read] == [[1] * 4, [2] * 2]
    assert np.array_equal(read[0].vectors, unit(1, 0, range(4), seed=2).vectors.astype(np.float16))


def test_a_recording_over_several_files(lake: Lake) -> None:
    """The windows of one recording may lie in different files."""
    receipts = [lake.write(ENCODER, [unit(1, window, range(window * 5, window * 5 + 5))]) for window in range(3)]
    read = list(lake.read(ENCODER, {1: [receipt.file for receipt in receipts]}))
    assert sorted(np.concatenate([part.keys for part in read])) == [vector_key(1, s) for s in range(15)]


def test_names_follow_the_keys(lake: Lake) -> None:
    """The same units in any order make the same file, other units another one."""
    units = [unit(1, 0, range(3)), unit(2, 0, range(3))]
    first = lake.write(ENCODER, units)
    assert lake.write(ENCODER, units[::-1]) == first
    assert lake.write(ENCODER, units[:1]).file != first.file


def test_silent_windows(lake: Lake) -> None:
    """A file may hold windows without a single segment."""
    receipt = lake.write(ENCODER, [unit(1, 0, range(0))])
    assert receipt.rows == 0
    (read,) = lake.read(ENCODER, {1: [receipt.file]})
    assert read.keys.shape == (0,)
    assert read.vectors.shape == (0, DIM)
    assert read.peaks.shape == (0, 16)


def test_sweep_removes_what_no_row_names(lake: Lake) -> None:
    """Unnamed files go, named ones and those of other encoders stay; a lake that is not there is swept too."""
    assert lake.sweep(ENCODER, set()) == []
    kept, gone = lake.write(ENCODER, [unit(1, 0, range(3))]), lake.write(ENCODER, [unit(2, 0, range(3))])
    other = lake.write(OTHER, [unit(2, 0, range(3))])
    assert lake.sweep(ENCODER, {kept.file}) == [gone.file]
    assert len(list(lake.read(ENCODER, {1: [kept.file]}))) == 1
    assert len(list(lake.read(OTHER, {2: [other.file]}))) == 1
    with pytest.raises(LakeError, match=f"{gone.file} is missing"):
        list(lake.read(ENCODER, {2: [gone.file]}))


def test_catalogues_are_apart(home: Path) -> None:
    """The same units of two catalogues are two files, and a name that could leave the lake is refused."""
    one, two = open_lake(LakeConfig(), home, "one"), open_lake(LakeConfig(), home, "two")
    receipt = one.write(ENCODER, [unit(1, 0, range(3))])
    assert two.sweep(ENCODER, set()) == []
    assert (home / "lake" / "one" / ENCODER[:16] / receipt.file).exists()
    with pytest.raises(ConfigurationError, match=r"catalog\.name"):
        open_lake(LakeConfig(), home, "../one")


def test_files_say_what_they_are(home: Path) -> None:
    """Rows are sorted by recording, window and segment; vectors and peaks are lists; the encoder is named."""
    receipt = open_lake(LakeConfig(), home).write(ENCODER, [unit(2, 0, range(2)), unit(1, 0, range(2))])
    table = pq.read_table(home / "lake" / "default" / ENCODER[:16] / receipt.file)
    assert table.column_names == ["recording_id", "window", "segment", "vector", "peaks"]
    assert table["recording_id"].to_pylist() == [1, 1, 2, 2]
    assert str(table.schema.field("vector").type) == f"fixed_size_list<element: halffloat>[{DIM}]"
    assert str(table.schema.field("peaks").type) == "fixed_size_list<element: uint16>[16]"
    assert table.schema.metadata[b"refrain.encoder"] == ENCODER.encode()


def test_files_of_another_schema_are_refused(home: Path) -> None:
    """A file as version 1 wrote it, without peaks, is refused by name, and so is one whose version is not ours."""
    lake = open_lake(LakeConfig(), home)
    receipt = lake.write(ENCODER, [unit(1, 0, range(3))])
    path = home / "lake" / "default" / ENCODER[:16] / receipt.file
    table = pq.read_table(path)
    earlier, metadata = table.drop_columns("peaks"), table.schema.metadata
    for odd, version in ((earlier, b"1"), (earlier, b"2"), (table, b"1"), (table, b"3")):
        pq.write_table(odd.replace_schema_metadata(metadata | {b"refrain.schema": version}), path)
        with pytest.raises(LakeError, match=f"{receipt.file} has a schema that this version does not read"):
            list(lake.read(ENCODER, {1: [receipt.file]}))


def test_a_corrupt_file_is_named(home: Path) -> None:
    """Cut, empty and foreign files are LakeErrors that name the file."""
    lake = open_lake(LakeConfig(), home)
    receipt = lake.write(ENCODER, [unit(1, 0, range(50))])
    path = home / "lake" / "default" / ENCODER[:16] / receipt.file
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"not parquet"):
        path.write_bytes(damaged)
        with pytest.raises(LakeError, match=rf"{receipt.file} is corrupt: \S"):
            list(lake.read(ENCODER, {1: [receipt.file]}))


def test_a_flipped_bit_is_never_believed(home: Path) -> None:
    """Whichever byte of a file changes: it is a LakeError, or the vectors are still the right ones."""
    lake = open_lake(LakeConfig(), home)
    receipt = lake.write(ENCODER, [unit(1, 0, range(50))])
    path = home / "lake" / "default" / ENCODER[:16] / receipt.file
    content = path.read_bytes()
    (expected,) = lake.read(ENCODER, {1: [receipt.file]})
    noticed = 0
    for position in range(0, len(content), 5):
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        try:
            (read,) = lake.read(ENCODER, {1: [receipt.file]})
        except LakeError:
            noticed += 1
            continue
        assert np.array_equal(read.keys, expected.keys), position
        assert np.array_equal(read.vectors, expected.vectors), position
        assert np.array_equal(read.peaks, expected.peaks), position
    assert noticed > len(content) // 5 // 3


def test_files_of_another_encoder_are_refused(home: Path) -> None:
    """A checksum that shares only its beginning with the writer's is not the same encoder."""
    lake = open_lake(LakeConfig(), home)
    receipt = lake.write(ENCODER, [unit(1, 0, range(3))])
    with pytest.raises(LakeError, match="another encoder"):
        list(lake.read(ENCODER[:32] + "0" * 32, {1: [receipt.file]}))


def test_a_cut_off_write_leaves_nothing_that_counts(home: Path) -> None:
    """What a killed writer leaves behind has another name than any file, and is swept."""
    lake = open_lake(LakeConfig(), home)
    receipt = lake.write(ENCODER, [unit(1, 0, range(3))])
    folder = home / "lake" / "default" / ENCODER[:16]
    left = folder / f"{'0' * 64}.parquet.abc.tmp"
    left.write_bytes(b"half")
    assert lake.sweep(ENCODER, {receipt.file}) == [left.name]
    assert [path.name for path in folder.iterdir()] == [receipt.file]


def test_a_full_disk_is_a_lake_error(home: Path) -> None:
    """A write that the file system refuses is a LakeError and leaves no file."""
    home.mkdir()
    (home / "lake").write_text("a file where the lake should be")
    with pytest.raises(LakeError, match=r"cannot write .*lake"):
        open_lake(LakeConfig(), home).write(ENCODER, [unit(1, 0, range(3))])


def test_bad_units_are_refused(lake: Lake) -> None:
    """No units, a unit twice, shapes that do not fit and values beyond float16 are errors."""
    with pytest.raises(LakeError, match="once"):
        lake.write(ENCODER, [])
    with pytest.raises(LakeError, match="once"):
        lake.write(ENCODER, [unit(1, 0, range(2)), unit(1, 0, range(2))])
    with pytest.raises(LakeError, match="segments and vectors do not fit"):
        lake.write(ENCODER, [LakeUnit(1, 0, np.zeros(3, np.int32), np.zeros((2, DIM), np.float32), random_peaks(3))])
    for peaks in (random_peaks(2), random_peaks(3)[:, :8], random_peaks(3).astype(np.int32)):
        with pytest.raises(LakeError, match="segments and peaks do not fit"):
            lake.write(ENCODER, [LakeUnit(1, 0, np.zeros(3, np.int32), np.zeros((3, DIM), np.float32), peaks)])
    with pytest.raises(LakeError, match="finite"):
        vectors = np.full((1, DIM), 1e9, np.float32)
        lake.write(ENCODER, [LakeUnit(1, 0, np.zeros(1, np.int32), vectors, random_peaks(1))])


def test_odd_paths(tmp_path: Path) -> None:
    """A home's name is taken literally: no globbing, no URL parsing, no chaining."""
    home = tmp_path / "a::b [x] * # ? %20 ü😀"
    lake = open_lake(LakeConfig(), home)
    receipt = lake.write(ENCODER, [unit(1, 0, range(3))])
    assert len(list(lake.read(ENCODER, {1: [receipt.file]}))) == 1
    assert lake.sweep(ENCODER, set()) == [receipt.file]


def test_a_lake_travels_to_workers(home: Path) -> None:
    """A pickled lake writes to the same place."""
    lake = open_lake(LakeConfig(), home)
    receipt = pickle.loads(pickle.dumps(lake)).write(ENCODER, [unit(1, 0, range(3))])
    assert len(list(lake.read(ENCODER, {1: [receipt.file]}))) == 1


def test_an_unknown_kind_of_path(home: Path) -> None:
    """A lake.uri that nothing can open is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match=r"lake\.uri 'nosuch://x'"):
        open_lake(LakeConfig("nosuch://x"), home)


@pytest.mark.integration
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """Where the disk is full a LakeError says so, and no part of a file lies there; with room the same write goes."""
    with small_disk(tmp_path / "disk", kilobytes=64) as place:
        lake = open_lake(LakeConfig(), place)
        kept = lake.write(ENCODER, [unit(1, 0, range(10))]).file
        large = [unit(2, 0, range(10_000))]
        with pytest.raises(LakeError, match="No space left"):
            lake.write(ENCODER, large)
        assert [path.name for path in place.rglob("*") if path.is_file()] == [kept]
        grow(place, kilobytes=8_000)
        lake.write(ENCODER, large)
        assert len(list(lake.read(ENCODER, {1: [kept]}))) == 1
