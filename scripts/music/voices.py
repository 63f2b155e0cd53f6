"""Instruments as data: four kinds of synthesis, each note one function of frequency and length.

Every `sound` returns float32 [T] at about unit peak, to be released by whoever plays it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.music.oscillators import Waveform, damped, layered, noise, plucked, wavetable


class Voice(Protocol):
    """`longest_s` bounds a note of a sound that decays by itself; None: it sounds for as long as it is held."""

    @property
    def longest_s(self) -> float | None: ...

    @property
    def release_s(self) -> float: ...

    def sound(self, frequency: float, length_s: float, sample_rate: int, rng: np.random.Generator) -> Waveform: ...


@dataclass(frozen=True)
class String:
    """Plucked: `bright` of 0 to 1."""

    bright: float
    decay_s: float
    release_s: float = 0.12
    longest_s: float | None = 2.5

    def sound(self, frequency: float, length_s: float, sample_rate: int, rng: np.random.Generator) -> Waveform:
        decay_s = self.decay_s * float(np.clip((220 / frequency) ** 0.4, 0.3, 2))
        return plucked(frequency, decay_s, self.bright, round(length_s * sample_rate), sample_rate, rng)


@dataclass(frozen=True)
class Struck:
    """Damped partials at `ratios` of the frequency with `amplitudes`; the higher, the shorter they last."""

    ratios: tuple[float, ...]
    amplitudes: tuple[float, ...]
    decay_s: float
    knock: float = 0.0
    tremolo_hz: float = 0.0
    release_s: float = 0.15
    longest_s: float | None = 2.5

    def sound(self, frequency: float, length_s: float, sample_rate: int, rng: np.random.Generator) -> Waveform:
        samples = round(length_s * sample_rate)
        decay_s = self.decay_s * float(np.clip((260 / frequency) ** 0.5, 0.3, 2))
        body = np.zeros(samples, np.float32)
        for ratio, amplitude in zip(self.ratios, self.amplitudes, strict=True):
            strength = amplitude * float(rng.uniform(0.85, 1.15))
            body += strength * damped(frequency * ratio, decay_s / ratio**0.7, samples, sample_rate)
        if self.tremolo_hz:
            body *= 1 - 0.3 * (1 + np.sin(2 * np.pi * self.tremolo_hz * _seconds(samples, sample_rate))) / 2
        attack = np.exp(-_seconds(samples, sample_rate) / 0.008)
        return _unit(body + self.knock * noise(samples, rng) * attack)


@dataclass(frozen=True)
class Fm:
    """One sine bends another (Chowning, 1973): the index falls from `index` within `index_decay_s`."""

    ratio: float
    index: float
    index_decay_s: float
    decay_s: float
    release_s: float = 0.2
    longest_s: float | None = 2.5

    def sound(self, frequency: float, length_s: float, sample_rate: int, rng: np.random.Generator) -> Waveform:
        seconds = _seconds(round(length_s * sample_rate), sample_rate)
        if frequency >= 0.4 * sample_rate:
            return np.zeros(len(seconds), np.float32)
        highest = max(0.0, (0.45 * sample_rate / frequency - 1) / self.ratio - 1)
        index = min(self.index * float(rng.uniform(0.9, 1.1)), highest) * np.exp(-seconds / self.index_decay_s)
        bend = index * np.sin(2 * np.pi * frequency * self.ratio * seconds)
        decay = np.exp(-6.9 * seconds / (self.decay_s * float(np.clip((260 / frequency) ** 0.4, 0.4, 2))))
        return _unit(np.sin(2 * np.pi * frequency * seconds + bend) * decay)


@dataclass(frozen=True)
class Sustained:
    """Harmonics of a held tone through a low-pass that opens and closes: organs, pads, winds, bows, synthesisers.

    shape names the harmonics; the cutoff goes from `closed` through `opened` within `attack_s` and on to `settled` in
    about a second, all in multiples of the frequency; `voices` are detuned by `detune` (a ratio) around it.
    """

    shape: str
    closed: float
    opened: float
    settled: float
    attack_s: float
    release_s: float = 0.15
    voices: int = 1
    detune: float = 0.004
    vibrato: float = 0.0
    vibrato_hz: float = 5.5
    breath: float = 0.0
    formants: tuple[float, ...] = ()
    longest_s: float | None = None

    def sound(self, frequency: float, length_s: float, sample_rate: int, rng: np.random.Generator) -> Waveform:
        seconds = _seconds(round(length_s * sample_rate), sample_rate)
        tables = np.stack([self._table(frequency, cutoff, sample_rate) for cutoff in self._cutoffs()])
        bright = self._brightness(seconds)
        sway = self._sway(seconds, rng)
        body = np.zeros(len(seconds), np.float32)
        for detune in np.linspace(-self.detune, self.detune, self.voices) if self.voices > 1 else (0.0,):
            cycles = frequency * (1 + detune) * (seconds + sway) + float(rng.random())
            body += layered(tables, bright, cycles)
        body += self.breath * self.voices * noise(len(seconds), rng)
        attack = 1 - np.exp(-3 * seconds / self.attack_s)
        return _unit(body * attack.astype(np.float32))

    def _cutoffs(self) -> NDArray[np.float64]:
        lowest, highest = sorted((self.closed, self.opened))
        return np.geomspace(lowest, max(highest, lowest * 1.01), 4)

    def _table(self, frequency: float, cutoff: float, sample_rate: int) -> Waveform:
        count = int(np.clip(0.45 * sample_rate / frequency, 1, 80))
        harmonics = np.arange(1, count + 1)
        amplitudes = SHAPES[self.shape][: len(harmonics)] if self.shape in SHAPES else 1 / harmonics
        amplitudes = np.pad(amplitudes, (0, max(0, count - len(amplitudes))))
        amplitudes = amplitudes / np.sqrt(1 + (harmonics / cutoff) ** 4)
        for formant_hz in self.formants:
            amplitudes *= 1 + 4 * np.exp(-0.5 * ((harmonics * frequency - formant_hz) / 160) ** 2)
        return wavetable(amplitudes)

    def _brightness(self, seconds: NDArray[np.float64]) -> Waveform:
        """Where between the closed and the opened table the filter stands, 0…3."""
        span = np.log(max(self.opened, self.closed) / min(self.opened, self.closed)) or 1.0
        settled = float(np.clip(np.log(self.settled / min(self.opened, self.closed)) / span, 0, 1))
        rise = np.clip(seconds / self.attack_s, 0, 1)
        fall = settled + (1 - settled) * np.exp(-np.maximum(seconds - self.attack_s, 0) / 0.35)
        place: Waveform = (3 * rise * fall).astype(np.float32)
        return place

    def _sway(self, seconds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Vibrato as a shift in time (s), set in gently: depth `vibrato` is the ratio of frequency change."""
        if not self.vibrato:
            return np.zeros(len(seconds))
        rate_hz = self.vibrato_hz * float(rng.uniform(0.92, 1.08))
        onset = np.clip((seconds - 0.15) / 0.3, 0, 1)
        shift: NDArray[np.float64] = (
            onset * self.vibrato / (2 * np.pi * rate_hz) * np.sin(2 * np.pi * rate_hz * seconds)
        )
        return shift


def _odd(count: int) -> NDArray[np.float64]:
    harmonics = np.arange(1, count + 1)
    return np.where(harmonics % 2 == 1, 1 / harmonics, 0.06 / harmonics)


SHAPES: dict[str, NDArray[np.float64]] = {
    "square": _odd(80),
    "reed": _odd(40) ** 0.8,
    "pulse": np.abs(np.sin(np.pi * 0.22 * np.arange(1, 81))) / np.arange(1, 81),
    "flute": np.array((1, 0.35, 0.12, 0.05, 0.02)),
    "whistle": np.array((1, 0.04, 0.06)),
    "organ": np.array((1, 0.8, 0.55, 0.45, 0.05, 0.3, 0.02, 0.25)),
    "pipes": np.array((1, 0.9, 0.3, 0.6, 0.15, 0.3, 0.1, 0.4, 0.05, 0.1, 0.05, 0.2)),
    "sine": np.array((1, 0.12, 0.04)),
}


def _seconds(samples: int, sample_rate: int) -> NDArray[np.float64]:
    return np.arange(samples) / sample_rate


def _unit(sound: NDArray[np.floating]) -> Waveform:
    peak = float(np.abs(sound).max()) if len(sound) else 0.0
    return (sound / max(peak, 1e-9)).astype(np.float32)


STRETCHED = tuple(k * float(np.sqrt(1 + 4e-4 * k * k)) for k in range(1, 13))  # a piano string is stiff
PIANO = tuple(0.75 ** (k - 1) for k in range(1, 13))

VOICES: dict[str, Voice] = {
    "nylon guitar": String(0.35, 2.2),
    "steel guitar": String(0.75, 3.5),
    "harp": String(0.5, 3.0, release_s=0.5),
    "mandolin": String(0.85, 1.2),
    "koto": String(0.9, 2.0, release_s=0.3),
    "harpsichord": String(0.97, 2.6, release_s=0.08),
    "finger bass": String(0.45, 3.0, release_s=0.08),
    "upright bass": String(0.2, 1.6, release_s=0.08),
    "piano": Struck(STRETCHED, PIANO, 6.0, knock=0.15),
    "marimba": Struck((1, 3.98, 9.2), (1, 0.35, 0.12), 1.2, knock=0.1),
    "vibraphone": Struck((1, 4.0, 10.1), (1, 0.25, 0.08), 5.0, tremolo_hz=5.2, release_s=0.4),
    "celesta": Struck((1, 2.0, 4.05, 7.1), (1, 0.5, 0.3, 0.1), 2.5, release_s=0.4),
    "electric piano": Fm(1.0, 1.8, 0.5, 4.0),
    "bell": Fm(3.51, 3.0, 0.8, 4.0, release_s=0.6),
    "square pluck": Sustained("square", 1.5, 12, 1.5, 0.004, release_s=0.08),
    "saw stab": Sustained("saw", 1.5, 14, 2.5, 0.006, voices=3, release_s=0.1),
    "warm pad": Sustained("saw", 1.2, 5, 3, 0.6, voices=3, detune=0.007, release_s=0.5),
    "glass pad": Sustained("pulse", 2, 10, 4, 0.4, voices=2, detune=0.005, release_s=0.6),
    "strings": Sustained("saw", 2, 7, 6, 0.25, voices=3, detune=0.006, vibrato=0.004, release_s=0.35),
    "choir": Sustained("saw", 2, 6, 5, 0.3, voices=3, vibrato=0.006, formants=(650, 1080, 2650), release_s=0.4),
    "brass": Sustained("saw", 1.2, 9, 5, 0.07, voices=2, detune=0.003, release_s=0.12),
    "organ": Sustained("organ", 8, 12, 12, 0.012, vibrato=0.004, vibrato_hz=6.3, release_s=0.06),
    "pipe organ": Sustained("pipes", 10, 14, 14, 0.03, voices=2, detune=0.0015, breath=0.01, release_s=0.25),
    "accordion": Sustained("reed", 6, 14, 10, 0.05, voices=2, detune=0.006, release_s=0.08),
    "violin": Sustained("saw", 3, 12, 9, 0.09, vibrato=0.011, breath=0.008, formants=(480, 2700), release_s=0.15),
    "cello": Sustained("saw", 3, 9, 7, 0.08, vibrato=0.006, formants=(250, 600), release_s=0.15),
    "flute": Sustained("flute", 2, 5, 4, 0.06, vibrato=0.008, vibrato_hz=5.0, breath=0.03, release_s=0.1),
    "whistle": Sustained("whistle", 2, 4, 3, 0.04, vibrato=0.012, breath=0.015, release_s=0.08),
    "clarinet": Sustained("reed", 2, 9, 7, 0.05, vibrato=0.003, breath=0.008, release_s=0.1),
    "oboe": Sustained("pulse", 4, 14, 11, 0.05, vibrato=0.008, formants=(1100, 2700), release_s=0.1),
    "trumpet": Sustained("saw", 1.5, 13, 8, 0.06, vibrato=0.006, formants=(1200,), release_s=0.1),
    "tuba": Sustained("saw", 1.2, 5, 3, 0.05, release_s=0.1),
    "distorted guitar": Sustained("square", 8, 22, 16, 0.01, voices=2, detune=0.002, vibrato=0.006, release_s=0.1),
    "saw lead": Sustained("saw", 2, 16, 7, 0.02, voices=2, detune=0.005, vibrato=0.006),
    "square lead": Sustained("square", 3, 16, 9, 0.01, vibrato=0.01),
    "saw bass": Sustained("saw", 1.5, 14, 3, 0.008, voices=2, detune=0.003, release_s=0.06),
    "square bass": Sustained("square", 2, 16, 5, 0.006, release_s=0.05),
    "sub bass": Sustained("sine", 2, 6, 3, 0.01, release_s=0.08),
}
