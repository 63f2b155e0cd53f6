"""What is done to a clip: conditions by name, each drawing its steps anew for every clip.

    clean        nothing
    re-encoded   mp3 at 64 kbit/s
    nafp         a room, noise at 0 to 10 dB, a microphone: the test of Chang et al. (2021)
    noise …      noise alone
    phone        babble at 10 dB, 300 to 3,400 Hz, AMR at 12.2 kbit/s
    pitch …      so many semitones up or down at the same tempo
    tempo        0.8 to 1.25 times as fast at the same pitch, even in the logarithm
    speed …      faster and higher by so many percent, or slower and lower
    everything   speed ±4 %, a room, noise at 5 dB

Noise and rooms are recordings where there are some. Else noise is a crowd, pink noise or a street of single events,
and a room falls silent in 0.2 to 0.9 s with the direct sound at −3 to 6 dB: all of `scripts.spoil.effects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from scripts.spoil import (
    Babble,
    Band,
    Codec,
    Condition,
    Microphone,
    Noise,
    Pitch,
    Recordings,
    Room,
    Speed,
    Step,
    Tempo,
)

SYNTHETIC = ("crowd", "pink", "events")
VOICES = 4  # of a babble: fewer are single speakers
FASTEST = 1.25  # of all conditions: a clip of s seconds plays at most so many times s of its recording

Rng = np.random.Generator


@dataclass(frozen=True)
class Surroundings:
    """What a clip may be heard in; None: nothing recorded, so synthesised."""

    noise: Recordings | None = None
    speech: Recordings | None = None
    rooms: Recordings | None = None

    def noise_at(self, snr_db: float, rng: Rng) -> Noise:
        return Noise(self.noise or SYNTHETIC[int(rng.integers(len(SYNTHETIC)))], snr_db)

    def babble_at(self, snr_db: float) -> Step:
        if self.speech is None or len(self.speech.waveforms) < VOICES:
            return Noise("crowd", snr_db)
        return Babble(self.speech, VOICES, snr_db)

    def room(self, rng: Rng) -> Room:
        return Room(float(rng.uniform(0.2, 0.9)), float(rng.uniform(-3, 6)), self.rooms)


CONDITIONS: Mapping[str, Callable[[Surroundings, Rng], tuple[Step, ...]]] = {
    "clean": lambda _, __: (),
    "re-encoded": lambda _, __: (Codec("mp3", 64_000),),
    "nafp": lambda around, rng: (around.room(rng), around.noise_at(float(rng.uniform(0, 10)), rng), Microphone()),
    "noise 0 dB": lambda around, rng: (around.noise_at(0, rng),),
    "noise -5 dB": lambda around, rng: (around.noise_at(-5, rng),),
    "phone": lambda around, _: (around.babble_at(10), Band(300, 3_400), Codec("amr", 12_200)),
    "pitch 1": lambda _, rng: (Pitch(_sign(rng)),),
    "pitch 3": lambda _, rng: (Pitch(3 * _sign(rng)),),
    "tempo": lambda _, rng: (Tempo(float(np.exp(rng.uniform(np.log(0.8), np.log(FASTEST))))),),
    "speed 5": lambda _, rng: (Speed(1 + 0.05 * _sign(rng)),),
    "speed 10": lambda _, rng: (Speed(1 + 0.10 * _sign(rng)),),
    "everything": lambda around, rng: (Speed(1 + 0.04 * _sign(rng)), around.room(rng), around.noise_at(5, rng)),
}


def drawn(name: str, around: Surroundings, rng: Rng) -> Condition:
    """The condition as one clip meets it."""
    return Condition(name, CONDITIONS[name](around, rng))


def _sign(rng: Rng) -> int:
    return int(rng.choice((-1, 1)))
