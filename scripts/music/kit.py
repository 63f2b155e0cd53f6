"""The drum kit: each drum from noise and damped sines, tuned anew for every piece."""

from dataclasses import dataclass

import numpy as np

from scripts.music import drums
from scripts.music.oscillators import Waveform, damped, noise, shaped


@dataclass(frozen=True)
class Kit:
    """One piece's drums: `tuning` scales all pitches, `snap` (0 to 1) is how short and bright they are."""

    tuning: float
    snap: float
    sample_rate: int

    @classmethod
    def drawn(cls, rng: np.random.Generator, sample_rate: int) -> "Kit":
        return cls(float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.2, 1.0)), sample_rate)

    def sound(self, drum: int, rng: np.random.Generator) -> Waveform:
        """One stroke, float32 [T] of unit peak."""
        stroke = self._stroke(drum, rng)
        return stroke / max(float(np.abs(stroke).max()), 1e-9)

    def _stroke(self, drum: int, rng: np.random.Generator) -> Waveform:
        match drum:
            case drums.KICK:
                return self._kick()
            case drums.SNARE:
                return self._skin(190, 0.25, 0.4) + 0.8 * self._hiss(1200, 7000, 0.28, 0.4, rng)
            case drums.RIM:
                return self._skin(820, 0.06, 0.2) + 0.5 * self._hiss(2000, 6000, 0.03, 0.2, rng)
            case drums.HAT:
                return self._hiss(6500, 14000, 0.07, 0.15, rng)
            case drums.OPEN_HAT:
                return self._hiss(6000, 13000, 0.4, 0.5, rng)
            case drums.RIDE:
                return 0.4 * self._hiss(4500, 12000, 0.7, 0.9, rng) + 0.15 * self._skin(3150, 0.7, 0.9)
            case drums.CRASH:
                return self._hiss(2500, 14000, 1.6, 2.0, rng)
            case drums.TOM_LOW:
                return self._skin(95, 0.5, 0.6) + 0.08 * self._hiss(300, 3000, 0.05, 0.6, rng)
            case drums.TOM_HIGH:
                return self._skin(150, 0.4, 0.5) + 0.08 * self._hiss(300, 3000, 0.05, 0.5, rng)
            case drums.SHAKER:
                return self._swell(self._hiss(5000, 11000, 0.12, 0.15, rng), 0.02)
            case drums.CLAP:
                return self._clap(rng)
            case drums.HAND_LOW:
                return self._skin(115, 0.35, 0.4) + 0.1 * self._hiss(500, 2500, 0.02, 0.4, rng)
            case drums.HAND_HIGH:
                return self._skin(330, 0.15, 0.2) + 0.25 * self._hiss(1500, 5000, 0.03, 0.2, rng)
            case drums.BRUSH:
                return self._swell(self._hiss(1500, 8000, 0.25, 0.35, rng), 0.04)
        raise ValueError(f"no drum {drum}")

    def _kick(self) -> Waveform:
        """A sine that falls from about 160 Hz to 50 Hz, with a click."""
        seconds = np.arange(round(0.4 * self.sample_rate)) / self.sample_rate
        low, fall_s = 50 * self.tuning, 0.035
        phase = 2 * np.pi * (low * seconds + 110 * fall_s * (1 - np.exp(-seconds / fall_s)))
        body = np.sin(phase) * np.exp(-seconds / (0.16 - 0.09 * self.snap))
        click = 0.25 * self.snap * np.exp(-seconds / 0.002) * np.sin(2 * np.pi * 2000 * seconds)
        stroke: Waveform = (body + click).astype(np.float32)
        return stroke

    def _skin(self, frequency: float, decay_s: float, length_s: float) -> Waveform:
        """The two lowest modes of a round membrane."""
        samples = round(length_s * self.sample_rate)
        first = damped(frequency * self.tuning, decay_s, samples, self.sample_rate)
        return first + 0.4 * damped(frequency * self.tuning * 1.59, decay_s * 0.6, samples, self.sample_rate)

    def _hiss(
        self, low_hz: float, high_hz: float, decay_s: float, length_s: float, rng: np.random.Generator
    ) -> Waveform:
        samples = round(length_s * self.sample_rate)
        low_hz = min(low_hz * self.tuning, 0.35 * self.sample_rate)
        hiss: Waveform = shaped(noise(samples, rng), self.sample_rate, low_hz, high_hz * self.tuning)
        hiss *= np.exp(-6.9 * np.arange(samples) / (decay_s * (1.3 - 0.6 * self.snap) * self.sample_rate))
        return hiss

    def _clap(self, rng: np.random.Generator) -> Waveform:
        """Three hands a few milliseconds apart."""
        hands = np.zeros(round(0.3 * self.sample_rate), np.float32)
        for delay_s in (0.0, 0.011 + 0.004 * self.snap, 0.026):
            late = round(delay_s * self.sample_rate)
            hands[late:] += self._hiss(900, 3500, 0.2, 0.3, rng)[: len(hands) - late]
        return hands

    def _swell(self, sound: Waveform, attack_s: float) -> Waveform:
        rise = np.clip(np.arange(len(sound)) / (attack_s * self.sample_rate), 0, 1)
        return sound * rise.astype(np.float32)
