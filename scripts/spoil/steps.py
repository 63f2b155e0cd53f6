"""Ways of spoiling as data: each step is an effect with its settings, to be listed in a condition."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from scripts.music.files import read
from scripts.music.oscillators import Waveform, coloured
from scripts.spoil.effects import (
    add_noise,
    amplify,
    band_limit,
    change_pitch,
    change_speed,
    change_tempo,
    crowd,
    reverberate,
    room_response,
    transcode,
)

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff"}


@dataclass(frozen=True)
class Step:
    """One way of spoiling, as data; most leave speed and pitch alone."""

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        raise NotImplementedError

    @property
    def plays_faster(self) -> float:
        return 1.0

    @property
    def plays_higher(self) -> float:
        """Semitones."""
        return 0.0


@dataclass(frozen=True)
class Noise(Step):
    """`kind`: white, pink, brown, crowd, or a folder of recordings from which one is drawn."""

    kind: str | Path
    snr_db: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return add_noise(samples, self._disturbance(len(samples), sample_rate, rng), self.snr_db)

    def _disturbance(self, samples: int, sample_rate: int, rng: np.random.Generator) -> Waveform:
        slopes_db = {"white": 0.0, "pink": -3.0, "brown": -6.0}
        if isinstance(self.kind, Path):
            return _excerpt(_drawn(self.kind, sample_rate, rng), samples, rng)
        if self.kind == "crowd":
            return crowd(samples, sample_rate, rng)
        return coloured(samples, rng, slopes_db[self.kind])


@dataclass(frozen=True)
class Room(Step):
    """A synthetic room, or one drawn from a folder of measured impulse responses."""

    rt60_s: float = 0.5
    direct_db: float = 0.0
    folder: Path | None = None

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        if self.folder is None:
            return reverberate(samples, room_response(sample_rate, rng, self.rt60_s, self.direct_db))
        response = _drawn(self.folder, sample_rate, rng)
        return reverberate(samples, response[int(np.argmax(np.abs(response))) :])


@dataclass(frozen=True)
class Speed(Step):
    speed: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return change_speed(samples, self.speed)

    @property
    def plays_faster(self) -> float:
        return self.speed

    @property
    def plays_higher(self) -> float:
        return float(12 * np.log2(self.speed))


@dataclass(frozen=True)
class Tempo(Step):
    speed: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return change_tempo(samples, sample_rate, self.speed)

    @property
    def plays_faster(self) -> float:
        return self.speed


@dataclass(frozen=True)
class Pitch(Step):
    semitones: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return change_pitch(samples, sample_rate, self.semitones)

    @property
    def plays_higher(self) -> float:
        return self.semitones


@dataclass(frozen=True)
class Band(Step):
    low_hz: float
    high_hz: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return band_limit(samples, sample_rate, self.low_hz, self.high_hz)


@dataclass(frozen=True)
class Codec(Step):
    codec: str
    bit_rate: int

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return transcode(samples, sample_rate, self.codec, self.bit_rate)


@dataclass(frozen=True)
class Gain(Step):
    gain_db: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return amplify(samples, self.gain_db)


@cache
def _recordings(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES))
    if not found:
        raise FileNotFoundError(f"no audio files under {folder}")
    return found


def _drawn(folder: Path, sample_rate: int, rng: np.random.Generator) -> Waveform:
    recordings = _recordings(folder)
    return read(recordings[int(rng.integers(len(recordings)))], sample_rate)


def _excerpt(recording: Waveform, samples: int, rng: np.random.Generator) -> Waveform:
    """A random stretch, repeated where the recording is too short."""
    start = int(rng.integers(max(1, len(recording) - samples + 1)))
    return np.resize(recording[start:], samples)
