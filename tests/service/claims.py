"""Small files that announce large things."""

import struct

from tests.service.sounds import melody, wav

HUGE = 0xFFFFFFFF


def _box(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content


def _wide_box(kind: bytes, content: bytes, size: int) -> bytes:
    return struct.pack(">I4sQ", 1, kind, size) + content


def _m4a(table: bytes) -> bytes:
    """An audio track whose sample table is as given."""
    header = struct.pack(">IIIII", 0, 0, 0, 8_000, 8_000) + bytes(4)
    handler = _box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    media = _box(b"mdia", _box(b"mdhd", header) + handler + _box(b"minf", _box(b"stbl", table)))
    return _box(b"ftyp", b"M4A \0\0\0\0M4A ") + _box(b"moov", _box(b"trak", media)) + _box(b"mdat", bytes(64))


def _sample_entry() -> bytes:
    entry = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 8_000 << 16)
    return _box(b"stsd", struct.pack(">II", 0, 1) + _box(b"sowt", entry))


def _wav_of(size: int, rate: int = 8_000, channels: int = 1) -> bytes:
    """A second of samples under a head that announces `size` bytes."""
    samples = wav(melody(1, 1.0))[44:]
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * 2 * channels) & HUGE, (2 * channels) & 0xFFFF, 16)
    return (
        b"RIFF" + struct.pack("<I", size) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size) + samples
    )


CLAIMS = {
    "wav of 4 GB": _wav_of(HUGE),
    "wav of 2 GB": _wav_of(0x7FFFFFFF),
    "wav of 65,535 channels": _wav_of(16_000, channels=65_535),
    "wav of 4 GHz": _wav_of(16_000, rate=HUGE),
    "wav of 1 Hz": _wav_of(16_000, rate=1),
    "rf64 of exabytes": b"RF64" + struct.pack("<I", HUGE) + b"WAVEds64" + struct.pack("<IQQQI", 28, *[2**62] * 3, HUGE),
    "m4a with a box of 4 GB": _box(b"ftyp", b"M4A \0\0\0\0") + _box(b"moov", bytes(32), HUGE),
    "m4a with a box of exabytes": _box(b"ftyp", b"M4A \0\0\0\0") + _wide_box(b"moov", bytes(32), 2**62),
    "m4a of 4 G samples of one size": _m4a(_sample_entry() + _box(b"stsz", struct.pack(">III", 0, 1, HUGE))),
    "m4a with a table of 1 G sizes": _m4a(_sample_entry() + _box(b"stsz", struct.pack(">III", 0, 0, 1 << 28))),
    "m4a with a table of 1 G times": _m4a(_sample_entry() + _box(b"stts", struct.pack(">II", 0, 1 << 28) + bytes(16))),
    "m4a with one time for 4 G samples": _m4a(
        _sample_entry()
        + _box(b"stts", struct.pack(">IIII", 0, 1, HUGE, 1))
        + _box(b"stsz", struct.pack(">III", 0, 1, HUGE))
        + _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, HUGE, 1))
        + _box(b"stco", struct.pack(">III", 0, 1, 48))
    ),
    "m4a of nested boxes": b"".join(_box(b"moov", b"", 8 * (4_000 - n)) for n in range(4_000)),
    "flac of 2^36 samples": b"fLaC\x80\0\0\x22" + bytes.fromhex("1000100000000000000000") + b"\xf0\x0f\xff\xff\xff\xff",
    "flac with a picture of 16 MB": b"fLaC\x06\xff\xff\xff" + struct.pack(">II", 3, HUGE) + bytes(64),
    "mp3 behind 256 MB of tags": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(64),
    "aiff of 4 GB": b"FORM" + struct.pack(">I", HUGE) + b"AIFFCOMM" + struct.pack(">I", HUGE) + bytes(64),
    "matroska with an element of exabytes": b"\x1aE\xdf\xa3\x01\x7f\xff\xff\xff\xff\xff\xff" + bytes(64),
    "ogg of empty pages": b"".join(
        b"OggS\0\0" + bytes(8) + b"abcd" + struct.pack("<II", n, 0) + b"\xff" + bytes(255) for n in range(2_000)
    ),
    "avi of 4 GB": b"RIFF" + struct.pack("<I", HUGE) + b"AVI LIST" + struct.pack("<I", HUGE) + b"hdrl" + bytes(64),
    "a playlist of other files": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\nhttp://127.0.0.1/\n",
}
