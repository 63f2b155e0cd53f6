"""Ways of spoiling as data: each step is an effect with its settings, to be listed in a condition."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ingest.fingerprint.pcm import to_float
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
    events,
    reverberate,
    room_response,
    through_microphone,
    transcode,
)

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff"}


@dataclass(frozen=True, eq=False)
class Recordings:
    """Waveforms to draw from, at the sample rate of the clips: float32 [T], or int16 [T] in the scale of `pcm`."""

    waveforms: tuple[np.ndarray, ...]

    def drawn(self, rng: np.random.Generator) -> Waveform:
        """One of them, whole."""
        return to_float(self.waveforms[int(rng.integers(len(self.waveforms)))])

    def excerpt(self, samples: int, rng: np.random.Generator) -> Waveform:
        """A random stretch [samples] of one."""
        return to_float(_excerpt(self.waveforms[int(rng.integers(len(self.waveforms)))], samples, rng))

    def babble(self, voices: int, samples: int, rng: np.random.Generator) -> Waveform:
        """Random stretches of so many different ones, equally loud, over each other: float32 [samples]."""
        chosen = rng.choice(len(self.waveforms), size=min(voices, len(self.waveforms)), replace=False)
        stretches = [to_float(_excerpt(self.waveforms[i], samples, rng)) for i in chosen]
        levelled = [one / max(float(np.sqrt(np.mean(one**2))), 1e-9) for one in stretches]
        talk: Waveform = np.sum(levelled, axis=0, dtype=np.float32)
        return talk


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

    @property
    def rings(self) -> bool:
        """Whether what went before is still heard."""
        return False


@dataclass(frozen=True)
class Noise(Step):
    """`kind`: white, pink, brown, crowd, events, or recordings (a folder of them, too) from which one is drawn."""

    kind: str | Path | Recordings
    snr_db: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return add_noise(samples, self._disturbance(len(samples), sample_rate, rng), self.snr_db)

    def _disturbance(self, samples: int, sample_rate: int, rng: np.random.Generator) -> Waveform:
        slopes_db = {"white": 0.0, "pink": -3.0, "brown": -6.0}
        if isinstance(self.kind, Path):
            return _excerpt(_drawn(self.kind, sample_rate, rng), samples, rng)
        if isinstance(self.kind, Recordings):
            return self.kind.excerpt(samples, rng)
        if self.kind in ("crowd", "events"):
            return {"crowd": crowd, "events": events}[self.kind](samples, sample_rate, rng)
        return coloured(samples, rng, slopes_db[self.kind])


@dataclass(frozen=True)
class Babble(Step):
    """Several recordings of speech at once."""

    speech: Recordings
    voices: int
    snr_db: float

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return add_noise(samples, self.speech.babble(self.voices, len(samples), rng), self.snr_db)


@dataclass(frozen=True)
class Room(Step):
    """A synthetic room, or one drawn from measured impulse responses (a folder of them, too)."""

    rt60_s: float = 0.5
    direct_db: float = 0.0
    folder: Path | Recordings | None = None

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        if self.folder is None:
            return reverberate(samples, room_response(sample_rate, rng, self.rt60_s, self.direct_db))
        if isinstance(self.folder, Recordings):
            response = self.folder.drawn(rng)
        else:
            response = _drawn(self.folder, sample_rate, rng)
        return reverberate(samples, response[int(np.argmax(np.abs(response))) :])

    @property
    def rings(self) -> bool:
        return True


@dataclass(frozen=True)
class Microphone(Step):
    """The frequency response of a small microphone, another one every time."""

    def __call__(self, samples: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
        return through_microphone(samples, sample_rate, rng)


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
