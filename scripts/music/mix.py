"""From a score to a stereo waveform: sampled voices, human timing, panning, echo, reverb, a soft master.

T samples; a mix is float32 [2, T], left and right.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scripts.music.kit import Kit
from scripts.music.melody import Note
from scripts.music.oscillators import Waveform, convolved, noise, shaped
from scripts.music.score import DRUMS, Part, Score
from scripts.music.voices import VOICES, Voice

TAIL_S = 2.0  # what may ring on behind the last bar
LATENESS_S = 0.006  # how unevenly people play (standard deviation)
TAKES = 2  # recordings of each note of a voice, used in turn
DRUM_TAKES = 3
PEAK = 0.89  # −1 dBFS


@dataclass
class Sampler:
    """Plays a voice from takes of each pitch and length, synthesised when first needed."""

    voice: Voice
    sample_rate: int
    rng: np.random.Generator
    takes: dict[tuple[int, float, int], Waveform] = field(default_factory=dict)

    def play(self, pitch: int, length_s: float) -> Waveform:
        """One note float32 [T], held for `length_s` and released."""
        release_s = self.voice.release_s
        sounding_s = length_s + release_s
        if self.voice.longest_s is not None:
            sounding_s = min(sounding_s, self.voice.longest_s)
        samples, released = round(sounding_s * self.sample_rate), round(release_s * self.sample_rate)
        sound = self._take(pitch, sounding_s)[:samples].copy()
        end = min(released, len(sound))
        sound[len(sound) - end :] *= np.linspace(1, 0, end, dtype=np.float32) ** 2
        return sound

    def _take(self, pitch: int, sounding_s: float) -> Waveform:
        """A take at least this long: lengths go in steps of √2 from 0.35 s, so that few are needed."""
        length_s = 0.35 * 2 ** (np.ceil(2 * np.log2(max(sounding_s, 0.35) / 0.35)) / 2)
        key = (pitch, float(length_s), int(self.rng.integers(TAKES)))
        if key not in self.takes:
            frequency = 440 * 2 ** ((pitch - 69) / 12)
            self.takes[key] = self.voice.sound(frequency, length_s, self.sample_rate, self.rng)
        return self.takes[key]


@dataclass
class DrumSampler:
    """Plays the drums of a kit, a few takes each."""

    kit: Kit
    rng: np.random.Generator
    takes: dict[tuple[int, int], Waveform] = field(default_factory=dict)

    def play(self, pitch: int, length_s: float) -> Waveform:
        """One stroke; drums ring as long as they want, so `length_s` does not matter."""
        key = (pitch, int(self.rng.integers(DRUM_TAKES)))
        if key not in self.takes:
            self.takes[key] = self.kit.sound(pitch, self.rng)
        return self.takes[key]


@dataclass(frozen=True)
class Clock:
    """Eighths to seconds: a tempo that drifts by about a percent and slows down at the end."""

    eighths: NDArray[np.float64]
    seconds: NDArray[np.float64]
    swing: float

    @classmethod
    def of(cls, score: Score, rng: np.random.Generator) -> "Clock":
        eighths = np.arange(score.eighths + 1, dtype=np.float64)
        drift = 0.012 * np.sin(2 * np.pi * (eighths / rng.uniform(90, 150) + rng.random()))
        slowing = 0.25 * np.clip(1 - (score.eighths - eighths) / (1.5 * sum(score.metre)), 0, 1)
        steps = 30 / score.bpm * (1 + drift + slowing)
        return cls(eighths, np.concatenate(([0.0], np.cumsum(steps[:-1]))), score.swing)

    def at(self, eighth: float) -> float:
        """Seconds of a place in eighths, the second half of each pair late by the swing."""
        pair, place = divmod(eighth, 2)
        late = place * (1 + self.swing) if place < 1 else 1 + self.swing + (place - 1) * (1 - self.swing)
        return float(np.interp(2 * pair + late, self.eighths, self.seconds))


def render(score: Score, seed: int, sample_rate: int) -> Waveform:
    """The whole score as it sounds, float32 [2, T], with its last notes ringing out."""
    rng = np.random.default_rng([seed, 2])
    clock = Clock.of(score, rng)
    samples = round((clock.seconds[-1] + TAIL_S) * sample_rate)
    dry = np.zeros((2, samples), np.float32)
    wet = np.zeros((2, samples), np.float32)
    for index, part in enumerate(score.parts):
        if part.notes:
            track = _record(part, clock, samples, sample_rate, np.random.default_rng([seed, 3, index]))
            angle = (part.pan + 1) * np.pi / 4  # constant power
            for side, gain in enumerate((np.cos(angle), np.sin(angle))):
                dry[side] += np.float32(gain) * track
                wet[side] += np.float32(gain * part.reverb) * track
    return _master(dry + _reverb(wet, sample_rate, rng))


def _record(part: Part, clock: Clock, samples: int, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """All notes of one part, float32 [T], at the part's level (its RMS while it plays)."""
    player = _player(part.voice, sample_rate, rng)
    track = np.zeros(samples, np.float32)
    for note in part.notes:
        start = round((clock.at(note.start) + float(rng.normal(0, LATENESS_S))) * sample_rate)
        start = max(0, start)
        sound = player.play(note.pitch, _length_s(note, clock))[: samples - start]
        track[start : start + len(sound)] += note.velocity**1.5 * sound
    if part.voice in ("distorted guitar", "saw bass"):
        track = np.tanh(2 * track)
    return part.level * 0.2 * track / _playing_rms(track, sample_rate)


def _player(voice: str, sample_rate: int, rng: np.random.Generator) -> Sampler | DrumSampler:
    if voice == DRUMS:
        return DrumSampler(Kit.drawn(rng, sample_rate), rng)
    return Sampler(VOICES[voice], sample_rate, rng)


def _length_s(note: Note, clock: Clock) -> float:
    return max(0.05, clock.at(note.start + note.length) - clock.at(note.start))


def _playing_rms(track: Waveform, sample_rate: int) -> float:
    """The RMS of the louder half of its half-seconds, so that a part with long rests is not made louder."""
    size = max(1, sample_rate // 2)
    power = np.sort([float(np.mean(track[at : at + size] ** 2)) for at in range(0, len(track), size)])
    heard = power[power > 1e-8]
    return float(np.sqrt(np.mean(heard[len(heard) // 2 :]))) if len(heard) else 1.0


def _reverb(wet: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """A hall of its own for every piece: decaying noise, darker and longer or brighter and shorter."""
    decay_s = float(rng.uniform(0.8, 2.2))
    samples = round(decay_s * sample_rate)
    seconds = np.arange(samples) / sample_rate
    envelope = np.exp(-6.9 * seconds / decay_s) * np.clip(seconds / 0.015, 0, 1)
    hiss = noise(2 * samples, rng).reshape(2, samples) * envelope.astype(np.float32)
    response = shaped(hiss, sample_rate, 60, float(rng.uniform(2500, 6000)))
    response /= np.sqrt(np.sum(response**2, axis=1, keepdims=True))
    return 2 * convolved(wet, response)


def _master(mix: Waveform) -> Waveform:
    """Loud moments rounded off, the peak at −1 dBFS."""
    loudness = float(np.quantile(np.abs(mix[:, ::7]), 0.98)) or 1.0
    rounded: Waveform = np.tanh(np.float32(0.7 / loudness) * mix)
    rounded *= np.float32(PEAK / max(float(np.abs(rounded).max()), 1e-9))
    return rounded
