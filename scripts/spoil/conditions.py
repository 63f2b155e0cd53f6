"""The named conditions that the demonstration, the evaluation and the benchmarks share."""

from dataclasses import dataclass
from math import prod

import numpy as np

from scripts.music.oscillators import Waveform
from scripts.spoil.effects import fitted
from scripts.spoil.steps import Band, Codec, Gain, Noise, Pitch, Room, Speed, Step, Tempo

SAMPLE_RATE = 8_000  # Hz: what Refrain listens at


@dataclass(frozen=True)
class Condition:
    """A named way in which a clip is spoilt; `steps` are applied in order.

    >>> Condition("old tape", (Speed(1.04), Noise("white", 10))).source_s(10.0)
    10.4
    """

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def speed(self) -> float:
        """How many times as fast as the track the clip plays."""
        return prod((step.plays_faster for step in self.steps), start=1.0)

    @property
    def pitch_semitones(self) -> float:
        return sum((step.plays_higher for step in self.steps), start=0.0)

    def source_s(self, clip_s: float) -> float:
        """How much of the track a clip of `clip_s` plays."""
        return clip_s * self.speed

    def apply(self, samples: Waveform, rng: np.random.Generator, sample_rate: int = SAMPLE_RATE) -> Waveform:
        """`samples` float32 [T] spoilt; about T / speed samples come back."""
        for step in self.steps:
            samples = step(samples, sample_rate, rng)
        return samples

    def clip(
        self,
        track: Waveform,
        offset_s: float,
        clip_s: float,
        rng: np.random.Generator,
        sample_rate: int = SAMPLE_RATE,
        *,
        lead_s: float = 0.0,
    ) -> Waveform:
        """A spoilt clip of exactly `clip_s`, whose first sample lies at `offset_s` in the track.

        Up to `lead_s` of the clip's own time before it are played into the room (a step that rings), so that its
        tail is real. Raises ValueError where the track does not hold that much.
        """
        start, end = (round(place * sample_rate) for place in (offset_s, offset_s + self.source_s(clip_s)))
        if not 0 <= start < end <= len(track):
            raise ValueError(f"{offset_s:.2f} s + {self.source_s(clip_s):.2f} s is not inside the track")
        ringing = max((n for n, step in enumerate(self.steps, 1) if step.rings), default=0)
        before, after = Condition(self.name, self.steps[:ringing]), Condition(self.name, self.steps[ringing:])
        lead_s = min(lead_s, offset_s / before.speed) if ringing else 0.0
        heard = before.apply(track[start - round(lead_s * before.speed * sample_rate) : end], rng, sample_rate)
        return fitted(after.apply(heard[round(lead_s * sample_rate) :], rng, sample_rate), round(clip_s * sample_rate))


PHONE = Band(300, 3_400)
CONDITIONS: dict[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition("clean"),
        Condition("pink 10 dB", (Noise("pink", 10),)),
        Condition("pink 5 dB", (Noise("pink", 5),)),
        Condition("pink 0 dB", (Noise("pink", 0),)),
        Condition("pink -5 dB", (Noise("pink", -5),)),
        Condition("white 5 dB", (Noise("white", 5),)),
        Condition("crowd 5 dB", (Noise("crowd", 5),)),
        Condition("crowd 0 dB", (Noise("crowd", 0),)),
        Condition("room", (Room(0.5, 0.0),)),
        Condition("hall", (Room(1.2, -3.0),)),
        Condition("room, pink 10 dB", (Room(0.5, 0.0), Noise("pink", 10))),
        Condition("room, crowd 5 dB", (Room(0.5, 0.0), Noise("crowd", 5))),
        Condition("speed 1.05", (Speed(1.05),)),
        Condition("speed 0.95", (Speed(0.95),)),
        Condition("tempo 1.10", (Tempo(1.10),)),
        Condition("tempo 0.90", (Tempo(0.90),)),
        Condition("pitch +1", (Pitch(1),)),
        Condition("pitch -1", (Pitch(-1),)),
        Condition("pitch +3", (Pitch(3),)),
        Condition("pitch -3", (Pitch(-3),)),
        Condition("phone", (PHONE, Codec("amr", 12_200))),
        Condition("bad phone", (PHONE, Noise("crowd", 10), Codec("amr", 5_150))),
        Condition("mp3 32 kbit/s", (Codec("mp3", 32_000),)),
        Condition("opus 12 kbit/s", (Codec("opus", 12_000),)),
        Condition("clipped", (Gain(12),)),
        Condition("quiet", (Gain(-30),)),
    )
}
