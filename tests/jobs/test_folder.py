"""catalog=folder: which entries of a tree are tracks, and under which names."""

import os
from pathlib import Path

import pytest

from ingest.catalog import check_source, list_catalog, locate, open_file
from ingest.errors import ConfigurationError, MissingFile
from tests.jobs.sources import catalog_config, listing, uris, write


def test_audio_is_found_at_every_depth_and_sorted(tmp_path: Path) -> None:
    """Every file with an audio suffix, whatever its case, by absolute path and sorted; others are counted."""
    names = ["b.mp3", "a/z.FLAC", "a/b/c.Ogg", "a.wav"]
    paths = [write(tmp_path / name) for name in names]
    write(tmp_path / "cover.jpg")
    write(tmp_path / "mp3")
    found = listing("folder", tmp_path)
    assert uris(found) == sorted(map(str, paths))
    assert (found.skipped, found.unusable) == (2, [])


def test_a_folder_without_audio_is_fine(tmp_path: Path) -> None:
    """An empty folder is an empty catalogue."""
    assert uris(listing("folder", tmp_path)) == []


def test_a_relative_path_gives_absolute_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names do not depend on the working directory, so that the next run from elsewhere finds the same tracks."""
    write(tmp_path / "music" / "a.mp3")
    monkeypatch.chdir(tmp_path)
    assert uris(listing("folder", "music")) == [str(tmp_path / "music" / "a.mp3")]


@pytest.mark.parametrize(
    "name", ["My Songs (2020), [x]", "~", "$HOME", "a#b%20c?d", 'it\'s "x"', "*", "a\nb", "back\\slash", "ütf"]
)
def test_names_are_literal(tmp_path: Path, name: str) -> None:
    """Folder and file names hold any character; the listed string is the path and opens the file."""
    path = write(tmp_path / name / f"{name}.mp3", b"content")
    config = catalog_config("folder", tmp_path / name)
    (file,) = list_catalog(config, tmp_path / "home")
    assert file.uri == str(path)
    with open_file(config, locate(config, file.uri)) as opened:
        assert opened.read() == b"content"


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    """Size or modification time change the version; nothing else does."""
    path = write(tmp_path / "a.mp3", b"one")
    (before,) = listing("folder", tmp_path).files
    assert before == listing("folder", tmp_path).files[0]
    assert before.size_bytes == 3
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    (touched,) = listing("folder", tmp_path).files
    path.write_bytes(b"four")
    (grown,) = listing("folder", tmp_path).files
    assert len({before.version, touched.version, grown.version}) == 3


def test_hidden_entries_are_left_out(tmp_path: Path) -> None:
    """What begins with a dot is no music: resource forks, caches, trash."""
    write(tmp_path / "._a.mp3")
    write(tmp_path / ".trash" / "b.mp3")
    assert uris(listing("folder", tmp_path)) == []


def test_links_are_followed_once(tmp_path: Path) -> None:
    """A linked folder or file outside is listed by the link's name; loops and second ways to a file are not."""
    root, outside = tmp_path / "music", tmp_path / "outside"
    real = write(root / "z" / "real.mp3")
    write(outside / "far.mp3")
    write(tmp_path / "single.mp3")
    (root / "a-loop").symlink_to(root)
    (root / "b-again").symlink_to(root / "z")
    (root / "c-out").symlink_to(outside)
    (root / "d-out").symlink_to(outside)
    (root / "e.mp3").symlink_to(real)
    (root / "f.mp3").symlink_to(tmp_path / "single.mp3")
    assert uris(listing("folder", root)) == [str(root / "c-out" / "far.mp3"), str(root / "f.mp3"), str(real)]


def test_a_home_inside_the_folder_is_left_out(tmp_path: Path) -> None:
    """What the job itself writes is never music of the catalogue."""
    write(tmp_path / "home" / "cache.mp3")
    kept = write(tmp_path / "a.mp3")
    assert uris(listing("folder", tmp_path, home=tmp_path / "home")) == [str(kept)]


def test_entries_that_cannot_be_tracks_say_why(tmp_path: Path) -> None:
    """A dangling link, a link to itself, a pipe and a name that is no Unicode are listed with code and reason."""
    (tmp_path / "gone.mp3").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.mp3").symlink_to(tmp_path / "self.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3")))
    found = listing("folder", tmp_path)
    assert found.files == []
    reasons = {Path(entry.uri).name: (entry.code, entry.reason) for entry in found.unusable}
    assert reasons == {
        "gone.mp3": ("missing", "cannot be read: No such file or directory"),
        "self.mp3": ("missing", "cannot be read: Too many levels of symbolic links"),
        "pipe.mp3": ("missing", "cannot be read: it is not a regular file"),
        "caf\\xe9.mp3": ("unusable_name", "the name is not valid Unicode"),
    }


def test_the_suffixes_are_an_option(tmp_path: Path) -> None:
    """catalog.suffixes says what is audio."""
    path = write(tmp_path / "a.xyz")
    write(tmp_path / "b.mp3")
    assert uris(listing("folder", tmp_path, "catalog.suffixes=[.xyz]")) == [str(path)]


def test_a_file_that_vanishes_is_missing(tmp_path: Path) -> None:
    """Opening what is gone since the listing raises MissingFile."""
    config = catalog_config("folder", tmp_path)
    with pytest.raises(MissingFile, match="No such file"):
        open_file(config, str(tmp_path / "a.mp3"))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "catalog.path is not given"),
        ("nowhere", "'nowhere' cannot be read: No such file or directory"),
        ("file.mp3", "'file.mp3' is a file, not a folder"),
        ("x" * 300, "cannot be read: File name too long"),
    ],
)
def test_a_folder_that_is_none_is_a_configuration_error(
    path: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is missing, a file or unusable is said in a line."""
    write(tmp_path / "file.mp3")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=words):
        check_source(catalog_config("folder", path))
