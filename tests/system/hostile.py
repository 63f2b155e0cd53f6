"""Files that a careless or a malicious person may leave among the music, each kind from a seed."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3

from tests.fingerprint.signals import Form, encode, melody, wav_header

RATE = 22_050
FORMS = {
    ".mp3": Form("mp3", "libmp3lame", RATE),
    ".ogg": Form("ogg", "vorbis", RATE, 2),
    ".flac": Form("flac", "flac", 16_000),
    ".m4a": Form("ipod", "aac", RATE),
    ".wav": Form("wav", "pcm_s16le", RATE),
}
COVER_BYTES = 1_500_000

Make = Callable[[np.random.Generator, Path], None]


def audio(seed: int, suffix: str, seconds: float = 4.0, channels: int = 1) -> bytes:
    """A short piece in the form of a suffix."""
    form = FORMS[suffix]
    samples = melody(seconds, seed=seed, rate=form.rate)[None]
    return encode(np.repeat(samples, max(channels, form.channels), axis=0), form)


def _number(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 30))


def _damaged(suffix: str, reach: int | None) -> Make:
    """Bytes of the head, or of the whole, replaced."""

    def make(rng: np.random.Generator, stem: Path) -> None:
        content = bytearray(audio(_number(rng), suffix))
        for _ in range(int(rng.integers(4, 60))):
            content[int(rng.integers(min(reach or len(content), len(content))))] = int(rng.integers(256))
        stem.with_suffix(suffix).write_bytes(content)

    return make


def _cut(rng: np.random.Generator, stem: Path) -> None:
    suffix = list(FORMS)[int(rng.integers(len(FORMS)))]
    content = audio(_number(rng), suffix)
    stem.with_suffix(suffix).write_bytes(content[: int(rng.integers(len(content)))])


def _empty(rng: np.random.Generator, stem: Path) -> None:
    stem.with_suffix(".mp3").touch()


def _text(rng: np.random.Generator, stem: Path) -> None:
    stem.with_suffix(".flac").write_text("these are words, not music\n" * int(rng.integers(1, 3_000)))


def _noise_bytes(rng: np.random.Generator, stem: Path) -> None:
    stem.with_suffix(".mp3").write_bytes(rng.bytes(int(rng.integers(1, 200_000))))


def _zip(rng: np.random.Generator, stem: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("song.wav", bytes(10_000_000))
    stem.with_suffix(".ogg").write_bytes(packed.getvalue())


def _silence_bomb(rng: np.random.Generator, stem: Path) -> None:
    """An hour of silence in a few kilobytes."""
    stem.with_suffix(".flac").write_bytes(encode(np.zeros((1, 3_600 * 8_000), np.float32), Form("flac", "flac", 8_000)))


def _wrong_suffix(rng: np.random.Generator, stem: Path) -> None:
    stem.with_suffix(".mp3").write_bytes(audio(_number(rng), ".ogg"))


def _odd_form(rng: np.random.Generator, stem: Path) -> None:
    rate = int(rng.choice([4_000, 7_350, 96_000, 192_000]))
    form = Form("wav", "pcm_s16le", rate, int(rng.choice([1, 2, 6, 7])))
    samples = melody(3.0, seed=_number(rng), rate=rate)[None]
    stem.with_suffix(".wav").write_bytes(encode(np.repeat(samples, form.channels, axis=0), form))


def _big_cover(rng: np.random.Generator, stem: Path) -> None:
    if rng.random() < 0.5:
        path = stem.with_suffix(".mp3")
        path.write_bytes(audio(_number(rng), ".mp3"))
        tags = ID3()
        tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=rng.bytes(COVER_BYTES)))
        tags.save(path)
        return
    path = stem.with_suffix(".flac")
    path.write_bytes(audio(_number(rng), ".flac"))
    tagged, picture = FLAC(path), Picture()
    picture.data, picture.mime, picture.type = rng.bytes(COVER_BYTES), "image/png", 3
    tagged.add_picture(picture)
    tagged.save()


def _gigantic_claim(rng: np.random.Generator, stem: Path) -> None:
    """A head that promises gigabytes, and seconds behind it."""
    body = (melody(2.0, seed=_number(rng)) * 20_000).astype("<i2").tobytes()
    head = wav_header(0x7FFF_0000, tag=1, rate=8_000, channels=1, bits=16)
    stem.with_suffix(".wav").write_bytes(head + body)


def _gigantic_tag(rng: np.random.Generator, stem: Path) -> None:
    """An ID3 tag that claims 256 MB."""
    stem.with_suffix(".mp3").write_bytes(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + audio(_number(rng), ".mp3"))


def _endless_atom(rng: np.random.Generator, stem: Path) -> None:
    """An MP4 whose boxes hold each other and claim 2^63 bytes."""
    box = b"".join(struct.pack(">I4sQ", 1, name, 1 << 62) for name in (b"moov", b"trak", b"mdia", b"minf") * 200)
    stem.with_suffix(".m4a").write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"M4A ", 0) + box)


def _playlist(rng: np.random.Generator, stem: Path) -> None:
    """A list that asks for other files: none may be opened."""
    stem.with_suffix(".mp3").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    )


def _deflated(rng: np.random.Generator, stem: Path) -> None:
    stem.with_suffix(".m4a").write_bytes(zlib.compress(bytes(20_000_000)))


def _named(rng: np.random.Generator, stem: Path) -> None:
    """Good audio under a name that quotes, breaks lines and shifts directions."""
    names = (
        "'; DROP TABLE tracks; --",
        'a "quoted" name',
        "Ünïcødé 音楽 🎵",
        "new\nline",
        "%s%n{0}$HOME",
        "\u202edesrever",
        "-rf *",
    )
    name = f"{stem.name} {names[int(rng.integers(len(names)))]}"
    (stem.parent / f"{name}.ogg").write_bytes(audio(_number(rng), ".ogg"))


KINDS: dict[str, Make] = {
    **{f"head of {suffix}": _damaged(suffix, 400) for suffix in FORMS},
    **{f"body of {suffix}": _damaged(suffix, None) for suffix in FORMS},
    "cut": _cut,
    "empty": _empty,
    "text": _text,
    "noise": _noise_bytes,
    "zip": _zip,
    "silence": _silence_bomb,
    "suffix": _wrong_suffix,
    "form": _odd_form,
    "cover": _big_cover,
    "claim": _gigantic_claim,
    "tag": _gigantic_tag,
    "atom": _endless_atom,
    "playlist": _playlist,
    "deflated": _deflated,
    "name": _named,
}


def write_hostile(folder: Path, count: int, seed: int) -> None:
    """So many files of all kinds in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = list(KINDS.items())
    for number in range(count):
        name, make = kinds[number % len(kinds)]
        make(np.random.default_rng([seed, number]), folder / f"{number:04} {name.replace('.', '')}")
