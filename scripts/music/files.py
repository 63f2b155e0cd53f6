"""Audio files in several formats, with tags: written and read through PyAV, tagged through mutagen.

T samples, C channels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import av
import mutagen
import numpy as np
from mutagen.id3 import TALB, TIT2, TPE1, TSRC

from scripts.music.oscillators import Waveform


@dataclass(frozen=True)
class Format:
    """A container, a codec and what the codec takes; `sample_rate` and `channels` None: any."""

    name: str
    suffix: str
    container: str
    codec: str
    sample_format: str
    bit_rate: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    option: tuple[str, str] | None = None

    def at(self, bit_rate: int) -> "Format":
        """The same format at another bit rate, in bits a second."""
        return replace(self, bit_rate=bit_rate)


WAV = Format("wav", ".wav", "wav", "pcm_s16le", "s16")
FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        WAV,
        Format("wav24", ".wav", "wav", "pcm_s24le", "s32"),
        Format("flac", ".flac", "flac", "flac", "s16"),
        Format("mp3", ".mp3", "mp3", "libmp3lame", "fltp", 192_000, option=("compression_level", "7")),
        Format("vorbis", ".ogg", "ogg", "vorbis", "fltp", 160_000, channels=2, option=("strict", "experimental")),
        Format("opus", ".opus", "ogg", "libopus", "flt", 128_000, sample_rate=48_000),
        Format("aac", ".m4a", "ipod", "aac", "fltp", 160_000, option=("aac_coder", "fast")),
        Format("amr", ".amr", "amr", "libopencore_amrnb", "s16", 12_200, sample_rate=8_000, channels=1),
    )
}


@dataclass(frozen=True)
class Tags:
    title: str
    artist: str
    album: str
    isrc: str | None = None


def encode(samples: Waveform, sample_rate: int, form: Format) -> bytes:
    """A whole file of `samples`, float32 [T] or [C, T] in −1…1, resampled and mixed down where the codec demands it."""
    sound = np.ascontiguousarray(np.atleast_2d(np.clip(samples, -1, 1)), dtype=np.float32)
    if form.channels == 1:
        sound = sound.mean(axis=0, keepdims=True)
    layout = "mono" if (form.channels or len(sound)) == 1 else "stereo"
    sink = BytesIO()
    with av.open(sink, "w", format=form.container) as container:
        stream = container.add_stream(form.codec, rate=form.sample_rate or sample_rate)
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        context.layout, context.format = layout, form.sample_format
        if form.bit_rate:
            context.bit_rate = form.bit_rate
        context.options = dict([form.option] if form.option else [])
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono" if len(sound) == 1 else "stereo")
        frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
        for ready in (frame, None):
            container.mux(stream.encode(ready))
    return sink.getvalue()


def write(
    path: Path, samples: Waveform, sample_rate: int, tags: Tags | None = None, form: Format | None = None
) -> Path:
    """Writes a tagged file whole (through a temporary name); without `form` the suffix says which."""
    form = form or next(known for known in FORMATS.values() if known.suffix == path.suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(encode(samples, sample_rate, form))
    if tags:
        tag(partial, tags, form)
    return partial.replace(path)


def read(source: Path | BinaryIO, sample_rate: int) -> Waveform:
    """All audio of a file at `sample_rate`, the mean of its channels, float32 [T]."""
    resampler = av.AudioResampler(format="fltp", rate=sample_rate)
    with av.open(str(source) if isinstance(source, Path) else source, "r") as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames], dtype=np.float32)


_open_tagged: Callable[..., Any] = mutagen.File  # mutagen declares no types


def tag(path: Path, tags: Tags, form: Format) -> None:
    """Writes the tags in the way of the format: ID3, Vorbis comments or MP4 atoms; AMR has none."""
    match form.container:
        case "wav":
            _tag_wav(path, tags)
        case "ipod":
            _tag_mp4(path, tags)
        case "mp3" | "flac" | "ogg":
            _tag_easily(path, tags)


def _tag_easily(path: Path, tags: Tags) -> None:
    file = _open_tagged(path, easy=True)
    file["title"], file["artist"], file["album"] = tags.title, tags.artist, tags.album
    if tags.isrc:
        file["isrc"] = tags.isrc
    file.save()


def _tag_wav(path: Path, tags: Tags) -> None:
    file = _open_tagged(path)
    file.add_tags()
    for frame, text in ((TIT2, tags.title), (TPE1, tags.artist), (TALB, tags.album), (TSRC, tags.isrc)):
        if text:
            file.tags.add(frame(encoding=3, text=text))
    file.save()


def _tag_mp4(path: Path, tags: Tags) -> None:
    file = _open_tagged(path)
    file["\xa9nam"], file["\xa9ART"], file["\xa9alb"] = tags.title, tags.artist, tags.album
    if tags.isrc:
        file["----:com.apple.iTunes:ISRC"] = tags.isrc.encode()
    file.save()
