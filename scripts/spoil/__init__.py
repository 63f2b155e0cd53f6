"""How clips get spoilt on their way to the microphone: effects (pure functions), steps (data), conditions (named)."""

from scripts.spoil.conditions import CONDITIONS, SAMPLE_RATE, Condition
from scripts.spoil.steps import (
    Babble,
    Band,
    Codec,
    Gain,
    Microphone,
    Noise,
    Pitch,
    Recordings,
    Room,
    Speed,
    Step,
    Tempo,
)

__all__ = [
    "CONDITIONS",
    "SAMPLE_RATE",
    "Babble",
    "Band",
    "Codec",
    "Condition",
    "Gain",
    "Microphone",
    "Noise",
    "Pitch",
    "Recordings",
    "Room",
    "Speed",
    "Step",
    "Tempo",
]
