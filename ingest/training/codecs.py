"""Lossy codecs at low rates, as phones and radios on the net use them: encoded and decoded through PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO

import av
import numpy as np

from ingest.fingerprint.audio import decode
from ingest.fingerprint.grid import SAMPLE_RATE


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg with its container, and the bit rates it is used at."""

    name: str
    container: str
    bit_rates: tuple[int, ...]


CODECS = (
    Codec("libmp3lame", "mp3", (8_000, 16_000, 24_000, 32_000)),
    Codec("libopus", "ogg", (6_000, 8_000, 12_000, 16_000)),
    Codec("libopencore_amrnb", "amr", (4_750, 5_900, 7_950, 12_200)),
)


def through_codec(x: np.ndarray, codec: Codec, bit_rate: int) -> np.ndarray:
    """float32 [T] encoded and decoded: [T] again, at the same level; the container undoes the codec's delay."""
    level = max(float(np.abs(x).max()), 1e-6)
    heard = decode(_encoded(x / level, codec, bit_rate)).samples[: len(x)]
    return np.pad(heard, (0, len(x) - len(heard))) * np.float32(level)


def _encoded(x: np.ndarray, codec: Codec, bit_rate: int) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream = container.add_stream(codec.name, rate=SAMPLE_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout, stream.codec_context.bit_rate = "mono", bit_rate
        frame = av.AudioFrame.from_ndarray(x[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
        for part in (frame, None):
            container.mux(stream.encode(part))
    return file.getvalue()
