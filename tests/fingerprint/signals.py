"""Generated sound, and files made of it by FFmpeg's own encoders. Letters: T samples, C channels."""

import io
import struct
from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np
from av.audio.resampler import AudioResampler

from ingest.fingerprint import SAMPLE_RATE

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 7: "6.1"}
OPTIONS = {"vorbis": {"strict": "experimental"}, "wmav2": {"b": "64000"}}


@dataclass(frozen=True)
class Form:
    """A container with a codec, and how much longer than its source what comes out of it may be."""

    container: str
    codec: str
    rate: int = 44_100
    channels: int = 1
    slack_s: float = 0.001

    def __str__(self) -> str:
        return f"{self.container}-{self.codec}-{self.rate}-{self.channels}"


def tone(hz: float, seconds: float, rate: int = SAMPLE_RATE, amplitude: float = 0.5) -> np.ndarray:
    """float32 [T]."""
    return np.asarray(amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate), np.float32)


def melody(seconds: float, seed: int = 0, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Chords of three decaying notes every 0.21 s, never twice the same for long: float32 [T]."""
    rng = np.random.default_rng(seed)
    step = round(0.21 * rate)
    time_s = np.arange(step) / rate
    chords = []
    for _ in range(int(seconds * rate) // step + 1):
        notes_hz = 220 * 2 ** (rng.integers(0, 40, size=3) / 12)
        chords.append(sum(np.sin(2 * np.pi * hz * time_s) for hz in notes_hz) * np.exp(-4 * time_s))
    joined = 0.15 * np.concatenate(chords)[: int(seconds * rate)]
    return np.asarray(joined + 0.002 * rng.standard_normal(len(joined)), np.float32)


def peak_hz(samples: np.ndarray) -> float:
    """Frequency of the strongest component of [T] at SAMPLE_RATE."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


def level(samples: np.ndarray, hz: float) -> float:
    """Amplitude of the component at `hz`."""
    turning = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / SAMPLE_RATE)
    window = np.hanning(len(samples))
    return float(2 * np.abs(np.sum(samples * window * turning)) / window.sum())


def encode(channels: np.ndarray, form: Form, video: bool = False) -> bytes:
    """A file of float32 [C, T] at the rate of the form, beside two seconds of video if asked."""
    file = io.BytesIO()
    layout = LAYOUTS[len(channels)]
    with av.open(file, "w", format=form.container) as container:
        stream = container.add_stream(form.codec, form.rate, options=OPTIONS.get(form.codec, {}))
        assert isinstance(stream, av.AudioStream)
        codec = stream.codec_context
        codec.layout = layout
        if video:
            _add_video(container)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), "fltp", layout)
        frame.sample_rate, frame.pts = form.rate, 0
        resampler = AudioResampler(codec.format, layout, form.rate, codec.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))
    return file.getvalue()


@lru_cache(maxsize=64)
def tone_file(form: Form, hz: float = 1_000.0, seconds: float = 2.0, video: bool = False) -> bytes:
    """A file with one tone in all of its channels."""
    return encode(np.tile(tone(hz, seconds, form.rate), (form.channels, 1)), form, video)


def remuxed(content: bytes, container: str, *, spoilt: Set[int] = frozenset()) -> bytes:
    """The same packets in a new file; those numbered in `spoilt` are filled with 0xff."""
    file = io.BytesIO()
    with av.open(io.BytesIO(content), "r") as source, av.open(file, "w", format=container) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for number, packet in enumerate(source.demux(source.streams.audio[0])):
            if packet.dts is None:
                continue  # the mark of the end
            copy = av.Packet(b"\xff" * packet.size if number in spoilt else bytes(packet))
            copy.pts, copy.dts, copy.duration, copy.time_base = (
                packet.pts,
                packet.dts,
                packet.duration,
                packet.time_base,
            )
            copy.stream = stream
            target.mux(copy)
    return file.getvalue()


def video_file(container: str = "mp4") -> bytes:
    """A file of moving pictures alone."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as opened:
        _add_video(opened)
    return file.getvalue()


def _add_video(container: av.container.OutputContainer) -> None:
    stream = container.add_stream("mpeg4", 10)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for shade in range(20):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * shade, np.uint8), "rgb24")))
    container.mux(stream.encode(None))


def wav_header(data_bytes: int, *, tag: int, rate: int, channels: int, bits: int) -> bytes:
    """The 44 bytes in front of the samples of a canonical WAV; tag 1 is PCM, 3 is float."""
    align = channels * bits // 8
    form = struct.pack("<IHHIIHH", 16, tag, channels, rate, (rate * align) % 2**32, align, bits)
    return b"RIFF" + struct.pack("<I", 36 + data_bytes) + b"WAVEfmt " + form + b"data" + struct.pack("<I", data_bytes)


def float_wav(samples: np.ndarray, rate: int = SAMPLE_RATE) -> bytes:
    """A 32-bit float WAV of [T] exactly as it is."""
    data = np.asarray(samples, "<f4").tobytes()
    return wav_header(len(data), tag=3, rate=rate, channels=1, bits=32) + data


def pcm_wav(samples: np.ndarray, rate: int = SAMPLE_RATE, channels: int = 1) -> bytes:
    """A 16-bit WAV of int16 [T · C], interleaved."""
    data = np.asarray(samples, "<i2").tobytes()
    return wav_header(len(data), tag=1, rate=rate, channels=channels, bits=16) + data
