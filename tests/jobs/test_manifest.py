"""catalog=manifest: rows that are tracks, rows that are not, and files that are no manifest."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.catalog import check_source, list_catalog, locate
from ingest.errors import ConfigurationError
from tests.jobs.sources import catalog_config, listing, uris, write

CONFIG = catalog_config("manifest", "m.csv")
HEADER = "uri,title,artist,album,isrc\n"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder of two files for manifests to name."""
    write(tmp_path / "a.mp3", b"aa")
    write(tmp_path / "sub" / "b, [x].mp3", b"bbb")
    return tmp_path


def csv_manifest(folder: Path) -> Path:
    rows = '\ufeffuri,title,artist,extra\na.mp3,"One, ""two""",,x\r\n"sub/b, [x].mp3",,"Mé\nB",y\n'
    return write(folder / "list.csv", rows.encode())


def jsonl_manifest(folder: Path) -> Path:
    rows = [{"uri": "a.mp3", "title": 'One, "two"'}, {"uri": "sub/b, [x].mp3", "artist": "Mé\nB", "extra": [1]}]
    return write(folder / "list.jsonl", "\n\n".join(map(json.dumps, rows)).encode())


def parquet_manifest(folder: Path) -> Path:
    columns = {"uri": ["a.mp3", "sub/b, [x].mp3"], "title": ['One, "two"', None], "artist": [None, "Mé\nB"]}
    pq.write_table(pa.table(columns), folder / "list.parquet")
    return folder / "list.parquet"


@pytest.mark.parametrize("make", [csv_manifest, jsonl_manifest, parquet_manifest])
def test_the_three_formats_say_the_same(music: Path, make: Callable[[Path], Path]) -> None:
    """Uris are the strings of the manifest, metadata arrives, files are found beside the manifest and measured."""
    found = listing("manifest", make(music))
    assert found.unusable == []
    assert [(f.uri, f.title, f.artist, f.album, f.size_bytes) for f in found.files] == [
        ("a.mp3", 'One, "two"', None, None, 2),
        ("sub/b, [x].mp3", None, "Mé\nB", None, 3),
    ]


def test_bad_rows_of_csv_are_listed_and_the_others_go_on(music: Path) -> None:
    """Empty, repeated, short and missing entries each say their line; the good row stays."""
    rows = ["a.mp3,Title,,,", ",no uri,,,", "a.mp3,again,,,", "short,row", "gone.mp3,,,,", "sub,,,,", ""]
    found = listing("manifest", write(music / "m.csv", (HEADER + "\n".join(rows)).encode()))
    assert uris(found) == ["a.mp3"]
    assert [(entry.uri, entry.code, entry.reason) for entry in found.unusable] == [
        ("m.csv:3", "bad_row", "m.csv:3: the uri is empty"),
        ("m.csv:4", "bad_row", "m.csv:4: a.mp3 is listed a second time; the first row counts"),
        ("m.csv:5", "bad_row", "m.csv:5: 2 cells where the header has 5"),
        ("gone.mp3", "missing", "cannot be read: No such file or directory"),
        ("sub", "missing", "cannot be read: it is not a regular file"),
    ]


def test_bad_rows_of_jsonl_are_listed_and_the_others_go_on(music: Path) -> None:
    """Broken JSON, other values than objects, and uris that are null or no strings are bad rows."""
    rows = ['{"uri": "a.mp3", "album": 1999}', "{broken", "[1]", '{"uri": null}', '{"uri": 7}', '{"title": "x"}']
    rows += ['{"uri": "sub/b, [x].mp3", "title": {"en": "x"}}', '{"uri": "\\u0000"}', '{"uri": "\\ud800"}']
    found = listing("manifest", write(music / "m.jsonl", "\n".join(rows).encode()))
    assert [(file.uri, file.album) for file in found.files] == [("a.mp3", "1999")]
    assert [(entry.uri, entry.code) for entry in found.unusable] == [
        ("m.jsonl:2", "bad_row"),
        ("m.jsonl:3", "bad_row"),
        ("m.jsonl:4", "bad_row"),
        ("m.jsonl:5", "bad_row"),
        ("m.jsonl:6", "bad_row"),
        ("m.jsonl:7", "bad_row"),
        ("m.jsonl:8", "bad_row"),
        ("\\xed\\xa0\\x80", "unusable_name"),
    ]
    reasons = [entry.reason for entry in found.unusable]
    assert "the uri is int, not a string" in reasons[3]
    assert "the title is dict, not a string" in reasons[5]


def test_bad_rows_of_parquet_are_listed_and_the_others_go_on(music: Path) -> None:
    """Null uris and strings that are not UTF-8 are bad rows of a Parquet file, by row number."""
    raw = pa.array([b"a.mp3", None, b"caf\xe9.mp3", b"sub/b, [x].mp3"], pa.binary())
    broken = pa.StringArray.from_buffers(4, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0], 1)
    pq.write_table(pa.table({"uri": broken}), music / "m.parquet")
    found = listing("manifest", music / "m.parquet")
    assert uris(found) == ["a.mp3", "sub/b, [x].mp3"]
    assert [entry.reason for entry in found.unusable] == [
        "m.parquet:2: the uri is empty",
        "m.parquet:3: not valid UTF-8",
    ]


def test_bytes_that_are_no_utf8_are_rejected_by_name(music: Path) -> None:
    """A Latin-1 row of a CSV is unusable, printable, and does not spoil its neighbours."""
    found = listing("manifest", write(music / "m.csv", b"uri\ncaf\xe9.mp3\na.mp3\n"))
    assert uris(found) == ["a.mp3"]
    assert [(entry.uri, entry.code) for entry in found.unusable] == [("caf\\xe9.mp3", "unusable_name")]


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("a.mp3", "/m/a.mp3"),
        ("../a b#c.mp3", "/m/../a b#c.mp3"),
        ("/x/%20.mp3", "/x/%20.mp3"),
        ("file:///x/%20.mp3", "/x/%20.mp3"),
        ("s3://b/k?=#.mp3", "s3://b/k?=#.mp3"),
        ("~/a.mp3", "/m/~/a.mp3"),
    ],
)
def test_uris_are_located_literally(uri: str, location: str) -> None:
    """Relative uris start at the manifest's folder; no character is unescaped or expanded."""
    assert locate(catalog_config("manifest", "/m/list.csv"), uri) == location


def test_a_manifest_on_s3_has_its_neighbours_there() -> None:
    """Relative uris of a manifest in a bucket are objects beside it."""
    assert locate(catalog_config("manifest", "s3://b/lists/m.csv"), "x/a.mp3") == "s3://b/lists/x/a.mp3"


def test_a_scheme_that_cannot_be_read_is_a_bad_row(music: Path) -> None:
    """A uri like gs:// is rejected with the schemes that work."""
    found = listing("manifest", write(music / "m.csv", b"uri\ngs://b/a.mp3\n"))
    assert found.unusable[0].reason == "m.csv:2: gs:// cannot be read: uris are paths or s3://"


def test_an_empty_list_is_an_empty_catalogue(music: Path) -> None:
    """A header alone, and a JSONL file without lines, list nothing."""
    assert uris(listing("manifest", write(music / "m.csv", HEADER.encode()))) == []
    assert uris(listing("manifest", write(music / "m.jsonl", b""))) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.csv", b"", "is empty or has no readable header"),
        ("m.csv", b"url,title\na,b\n", "must have one column uri; its columns are 'url', 'title'"),
        ("m.csv", b"uri,uri\na,b\n", "must have one column uri"),
        ("m.tsv", b"uri,title\na,b\n", "its columns are 'uri,title'"),
        ("m.jsonl", b'{"url": "a.mp3"}\n', "no line is a JSON object with a uri"),
        ("m.jsonl", b"\x00\x01\x02", "no line is a JSON object with a uri"),
        ("m.parquet", b"PAR1 not really", "is not a readable Parquet file"),
        ("m.txt", b"a.mp3", "a manifest ends in .parquet, .pq, .csv, .tsv, .jsonl, .ndjson"),
    ],
)
def test_what_is_no_manifest_is_a_configuration_error(music: Path, name: str, content: bytes, words: str) -> None:
    """A file without a uri column, of another format or of an unknown suffix is said in a line."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        listing("manifest", write(music / name, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("columns", [{"url": ["a"]}, {"uri": [1, 2]}])
def test_a_parquet_file_without_string_uris_is_a_configuration_error(
    music: Path, columns: dict[str, list[object]]
) -> None:
    """The column uri must be there and hold strings."""
    pq.write_table(pa.table(columns), music / "m.parquet")
    with pytest.raises(ConfigurationError, match="uri"):
        listing("manifest", music / "m.parquet")


def test_a_manifest_that_is_not_there_is_a_configuration_error(music: Path) -> None:
    """Missing files and folders are told apart."""
    with pytest.raises(ConfigurationError, match="No such file"):
        check_source(catalog_config("manifest", music / "gone.csv"))
    (music / "folder.csv").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder: catalog=folder lists one"):
        check_source(catalog_config("manifest", music / "folder.csv"))


def test_rows_come_in_batches(music: Path) -> None:
    """A list longer than the pieces that are read and looked up at once arrives whole."""
    names = [f"{number:05}.mp3" for number in range(17_000)]
    pq.write_table(pa.table({"uri": ["a.mp3", *names]}), music / "m.parquet")
    found = listing("manifest", music / "m.parquet")
    assert uris(found) == ["a.mp3"]
    assert [entry.uri for entry in found.unusable] == names


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), suffix=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_no_bytes_break_the_reader(tmp_path: Path, content: bytes, suffix: str) -> None:
    """Arbitrary bytes are rows, bad rows or a ConfigurationError, never another exception."""
    config = replace(CONFIG, path=str(write(tmp_path / f"m.{suffix}", content)))
    try:
        list(list_catalog(config, tmp_path))
    except ConfigurationError as error:
        assert len(str(error).splitlines()) == 1
