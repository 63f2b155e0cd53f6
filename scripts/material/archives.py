"""Archives of a package: the audio in them, written beside them as files of their own."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from ingest.training.corpus import AUDIO_SUFFIXES

ZIPS = (".pk3", ".wz", ".zip")
CONTAINERS = (".rcc", ".cat")  # of Qt and of OpenTTD: they store audio as it is, so it can be cut out of them
PAGE = b"OggS\0"  # how an Ogg page begins, and that of RFC 3533, section 6:
PAGE_HEADER = 27  # bytes before its table of segments, the last of which says how long that is
FIRST_PAGE, LAST_PAGE = 0x02, 0x04  # in byte 5


def unpack(archive: Path) -> None:
    """The audio files of an archive, into the folder `<its name>.d`."""
    folder = archive.with_name(f"{archive.name}.d")
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as files:
            names = [name for name in files.namelist() if Path(name).suffix.lower() in AUDIO_SUFFIXES]
            files.extractall(folder, names)
        return
    folder.mkdir()
    for number, (suffix, data) in enumerate(embedded(archive.read_bytes())):
        (folder / f"{archive.stem}-{number:03d}{suffix}").write_bytes(data)


def embedded(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(suffix, bytes) of the whole WAV and Ogg files that lie in `data`, in their order."""
    place = 0
    while True:
        starts = [start for magic in (PAGE, b"RIFF") if (start := data.find(magic, place)) >= 0]
        if not starts:
            return
        start = min(starts)
        ogg = data.startswith(PAGE, start)
        end = _ogg_end(data, start) if ogg else _wav_end(data, start)
        if end:
            yield ".ogg" if ogg else ".wav", data[start:end]
        place = end or start + 4


def _wav_end(data: bytes, start: int) -> int:
    """Where the WAV file at `start` ends; 0: there is none."""
    end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
    return end if data[start + 8 : start + 12] == b"WAVE" and end <= len(data) else 0


def _ogg_end(data: bytes, start: int) -> int:
    """Where the chain of Ogg pages at `start` ends with its last page; 0: there is none, or it breaks off."""
    wanted = FIRST_PAGE
    while data.startswith(PAGE, start) and len(data) > start + PAGE_HEADER and data[start + 5] & wanted == wanted:
        table = start + PAGE_HEADER + data[start + PAGE_HEADER - 1]
        end = table + sum(data[start + PAGE_HEADER : table])
        if data[start + 5] & LAST_PAGE:
            return end if end <= len(data) else 0
        start, wanted = end, 0
    return 0
