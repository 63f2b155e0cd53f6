"""How clips get spoilt on their way to the microphone: effects (pure functions), steps (data), conditions (named)."""

from scripts.spoil.conditions import CONDITIONS, SAMPLE_RATE, Condition
from scripts.spoil.steps import Band, Codec, Gain, Noise, Pitch, Room, Speed, Step, Tempo

__all__ = [
    "CONDITIONS",
    "SAMPLE_RATE",
    "Band",
    "Codec",
    "Condition",
    "Gain",
    "Noise",
    "Pitch",
    "Room",
    "Speed",
    "Step",
    "Tempo",
]
