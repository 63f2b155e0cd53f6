"""Tags as files carry them, in every format, and hostile ones."""
# mypy: disable-error-code="no-untyped-call"
# (mutagen, which writes the tags here, has few types)

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.aiff import AIFF
from mutagen.asf import ASF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TALB, TIT2, TPE1, TSRC
from mutagen.mp4 import MP4
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from ingest.fingerprint import Tags, read_tags
from ingest.fingerprint.tags import LONGEST, clean_text
from tests.fingerprint.signals import Form, tone_file

TAGS = Tags("Für Elise, №1 🎹", "Ludwig & Söhne", "Bagatellen", "DEA123456789")


def id3(tags: ID3) -> None:
    for frame, text in [(TIT2, TAGS.title), (TPE1, TAGS.artist), (TALB, TAGS.album), (TSRC, "DE-A12-34-56789")]:
        tags.add(frame(encoding=3, text=[text]))


def in_mp3(path: Path) -> None:
    tags = ID3()
    id3(tags)
    tags.save(path)


def in_riff_or_aiff(path: Path) -> None:
    file: Any = WAVE(path) if path.suffix == ".wav" else AIFF(path)
    file.add_tags()
    id3(file.tags)
    file.save()


def in_vorbis_comments(path: Path) -> None:
    file = {".flac": FLAC, ".ogg": OggVorbis, ".opus": OggOpus}[path.suffix](path)
    file["TITLE"], file["artist"], file["Album"], file["isrc"] = TAGS.title, TAGS.artist, TAGS.album, "dea123456789"
    file.save()


def in_mp4(path: Path) -> None:
    file = MP4(path)
    file["©nam"], file["©ART"], file["©alb"] = TAGS.title, TAGS.artist, TAGS.album
    file["----:com.apple.iTunes:ISRC"] = [b"DEA123456789"]
    file.save()


def in_asf(path: Path) -> None:
    file = ASF(path)
    file["Title"], file["Author"], file["WM/AlbumTitle"] = [TAGS.title], [TAGS.artist, TAGS.artist], [TAGS.album]
    file["WM/ISRC"] = ["DEA123456789"]
    file.save()


@pytest.mark.parametrize(
    ("name", "form", "write"),
    [
        ("x.mp3", Form("mp3", "libmp3lame"), in_mp3),
        ("x.wav", Form("wav", "pcm_s16le"), in_riff_or_aiff),
        ("x.aiff", Form("aiff", "pcm_s16be"), in_riff_or_aiff),
        ("x.flac", Form("flac", "flac"), in_vorbis_comments),
        ("x.ogg", Form("ogg", "vorbis", 44_100, 2), in_vorbis_comments),
        ("x.opus", Form("ogg", "libopus", 48_000), in_vorbis_comments),
        ("x.m4a", Form("ipod", "aac"), in_mp4),
        ("x.wma", Form("asf", "wmav2", 44_100, 2), in_asf),
    ],
)
def test_tags_of_every_format(name: str, form: Form, write: Callable[[Path], None], tmp_path: Path) -> None:
    """Title, artist, album and a normalised ISRC, by the name of a file and from an open one."""
    path = tmp_path / name
    path.write_bytes(tone_file(form))
    assert read_tags(path).artist is None
    write(path)
    assert read_tags(path) == read_tags(str(path)) == TAGS
    with path.open("rb") as opened:
        assert read_tags(opened) == TAGS


def tagged(**frames: object) -> Tags:
    """What is read of an mp3 whose ID3 frames hold these texts."""
    file = io.BytesIO(tone_file(Form("mp3", "libmp3lame")))
    tags = ID3()
    for name, text in frames.items():
        tags.add({"TIT2": TIT2, "TPE1": TPE1, "TSRC": TSRC}[name](encoding=3, text=text))
    tags.save(file)
    file.seek(0)
    return read_tags(file)


def test_hostile_texts_are_tamed() -> None:
    """Line breaks, NULs, endless texts and empty ones: one line of bounded length, or none."""
    assert tagged(TIT2="two\nlines\tand\0more").title == "two lines and, more"  # NUL parts values
    assert tagged(TIT2="x" * 100_000).title == "x" * LONGEST
    assert tagged(TIT2=" \n ").title is None
    assert tagged(TIT2="'; DROP TABLE tracks; --").title == "'; DROP TABLE tracks; --"


def test_several_values_are_joined_once_each() -> None:
    """Two artists are both named, the same one twice is named once."""
    assert tagged(TPE1=["Ann", "Bo"]).artist == "Ann, Bo"
    assert tagged(TPE1=["Ann", "Ann"]).artist == "Ann"


@pytest.mark.parametrize("code", ["", "hello", "DE-A12-34-5678", "DEA1234567890", "1EA123456789", "DEA12345678٣"])
def test_what_is_no_isrc_is_none(code: str) -> None:
    """An ISRC has twelve characters in the form of ISO 3901."""
    assert tagged(TSRC=code).isrc is None


@given(st.text(max_size=600))
def test_clean_text_is_one_line_that_every_store_takes(text: str) -> None:
    """No control whitespace, no NUL, no lone surrogate, not too long, and stable."""
    cleaned = clean_text(text)
    if cleaned is None:
        assert not text.replace("\0", " ").encode("utf-8", "ignore").decode().split()
        return
    assert len(cleaned) <= LONGEST and "\0" not in cleaned
    assert " ".join(cleaned.split()) == cleaned
    assert clean_text(cleaned) == cleaned
    cleaned.encode("utf-8")


def test_lone_surrogates_are_dropped() -> None:
    """Half a character, which no store could encode, is left out."""
    assert clean_text("a\ud800b") == "ab"


@pytest.mark.parametrize("content", [b"", b"x", b"ID3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"OggS", b"text " * 999])
def test_what_has_no_tags_gives_none(content: bytes, tmp_path: Path) -> None:
    """Files that mutagen cannot read, missing files and folders have no tags; that is no error."""
    path = tmp_path / "file.mp3"
    path.write_bytes(content)
    assert read_tags(path) == read_tags(io.BytesIO(content)) == Tags()
    assert read_tags(tmp_path / "missing.mp3") == read_tags(tmp_path) == Tags()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_tags_are_no_error(data: st.DataObject) -> None:
    """Tagged files with bytes of their head changed give tags or none."""
    forms = [Form("mp3", "libmp3lame"), Form("flac", "flac"), Form("ogg", "libopus", 48_000), Form("ipod", "aac")]
    forms += [Form("asf", "wmav2", 44_100, 2), Form("wav", "pcm_s16le"), Form("aiff", "pcm_s16be")]
    content = bytearray(tone_file(data.draw(st.sampled_from(forms)), 1_000.0, 0.3))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content), 300) - 1))
        content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    assert isinstance(read_tags(io.BytesIO(content)), Tags)


def test_opus_with_a_short_head_is_no_error() -> None:
    """A head packet that ends early, which mutagen unpacks blindly, gives no tags."""
    content = bytearray(tone_file(Form("ogg", "libopus", 48_000)))
    lengths = 27
    assert content[lengths] == 19  # bytes of the head packet
    del content[lengths + 1 + 12 : lengths + 1 + 19]
    content[lengths] = 12
    assert read_tags(io.BytesIO(content)) == Tags()
