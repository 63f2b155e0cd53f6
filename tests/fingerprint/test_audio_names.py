"""Names are taken literally, and nothing but the named file is opened."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import MissingFile, UnreadableAudio, decode
from tests.fingerprint.signals import Form, pcm_wav, tone_file

NAMES = [
    "concat:a.wav|b.wav",
    "http:example.org",
    "file:song.wav",
    "pipe:0",
    "track %d of %03d.wav",
    "a:b.wav",
    "what?x=1#y.wav",
    "My Songs (2020), [x] {y} ~ $HOME 'q' \"d\".wav",
    "  spaces at both ends  ",
    "-i",
    "é 音楽 🎵.wav",
    "*.wav",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_plain_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is found under its absolute name and under its bare name, whatever characters it holds."""
    (tmp_path / name).write_bytes(pcm_wav(np.ones(4_000, np.int16)))
    monkeypatch.chdir(tmp_path)
    for source in (tmp_path / name, str(tmp_path / name), name):
        assert decode(source).duration_s == 0.5


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:9/x", "concat:real.wav|real.wav", "file:real.wav", "subfile,,:real.wav"]
)
def test_protocols_of_ffmpeg_are_not_spoken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What FFmpeg would read as an address is a file that does not exist."""
    (tmp_path / "real.wav").write_bytes(pcm_wav(np.ones(4_000, np.int16)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFile, match="No such file"):
        decode(name)


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {name}\nfile {name}\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{name}\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{name}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp3", ".m3u8", ".ffconcat"])
@pytest.mark.parametrize("other", ["secret.wav", "{folder}/secret.wav", "file:{folder}/secret.wav"])
def test_a_playlist_opens_nothing(kind: str, suffix: str, other: str, tmp_path: Path) -> None:
    """Text that makes FFmpeg open further files (or sockets) is unreadable, as a file and as bytes."""
    (tmp_path / "secret.wav").write_bytes(pcm_wav(np.ones(4_000, np.int16)))
    playlist = tmp_path / f"list{suffix}"
    playlist.write_text(PLAYLISTS[kind].format(name=other.format(folder=tmp_path)))
    for source in (playlist, playlist.read_bytes()):
        with pytest.raises(UnreadableAudio):
            decode(source)


@pytest.mark.parametrize("name", ["", ".", "nothing.wav", "nothing/at/all.wav", "there.wav/inside.wav", "x" * 300])
def test_what_is_not_there_is_missing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent files, folders, paths through files and names too long are missing, with the system's reason."""
    (tmp_path / "there.wav").write_bytes(pcm_wav(np.ones(4_000, np.int16)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFile, match=r"cannot be opened: [A-Z]"):
        decode(name)


def test_a_name_ends_where_it_ends(tmp_path: Path) -> None:
    """A NUL does not cut a name short: another file must not be read for it."""
    (tmp_path / "a.wav").write_bytes(pcm_wav(np.ones(4_000, np.int16)))
    with pytest.raises(MissingFile):
        decode(f"{tmp_path}/a.wav\0.mp3")


def test_a_file_without_permission_is_missing(tmp_path: Path) -> None:
    """A file that this user may not read is missing, with the system's reason."""
    locked = tmp_path / "locked.wav"
    locked.write_bytes(pcm_wav(np.ones(4_000, np.int16)))
    locked.chmod(0)
    with _not_root(), pytest.raises(MissingFile, match="Permission denied"):
        decode(locked)


def test_errors_of_the_disk_are_no_bad_input() -> None:
    """An error while reading an open file passes as it is: the file may be whole."""
    with pytest.raises(OSError, match="disk on fire"):
        decode(_Failing())  # type: ignore[arg-type]  # as much of a file as is used


def test_the_files_are_closed(tmp_path: Path) -> None:
    """Decoding, well or badly, leaves no file open; a stream that was handed in stays open."""
    good, bad = tmp_path / "good.mp3", tmp_path / "bad.mp3"
    good.write_bytes(tone_file(Form("mp3", "libmp3lame")))
    bad.write_text("no music")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
    for _ in range(5):
        decode(good)
        with pytest.raises(UnreadableAudio):
            decode(bad)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - names alone
    with good.open("rb") as opened:
        decode(opened)
        assert not opened.closed


class _Failing:
    """A file whose disk gives up after the first read."""

    def __init__(self) -> None:
        self.content, self.place = tone_file(Form("flac", "flac"), 1_000.0, 20.0), 0

    def read(self, size: int = -1) -> bytes:
        if self.place > 60_000:
            raise OSError("disk on fire")
        self.place += size
        return self.content[self.place - size : self.place]

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset if whence == 0 else len(self.content) + offset
        return self.place

    def tell(self) -> int:
        return self.place


@contextmanager
def _not_root() -> Iterator[None]:
    """Root may read everything: be nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
