"""Drum patterns: a groove says how likely each drum is at each kind of place; a piece draws its own from it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scripts.music.melody import Metre, Note

# The drums, in the place of pitches.
KICK, SNARE, RIM, HAT, OPEN_HAT, RIDE, CRASH, TOM_LOW, TOM_HIGH, SHAKER, CLAP, HAND_LOW, HAND_HIGH, BRUSH = range(14)


@dataclass(frozen=True)
class Habit:
    """How likely (0 to 1) a drum is on the first beat, the other odd beats, the even beats, the eighths between and
    the sixteenths between; and how loud."""

    drum: int
    first: float
    odd: float
    even: float
    eighth: float
    sixteenth: float
    velocity: float = 0.7


GROOVES: dict[str, tuple[Habit, ...]] = {
    "rock": (
        Habit(KICK, 1, 0.7, 0.1, 0.25, 0.06, 0.95),
        Habit(SNARE, 0, 0.02, 0.98, 0.05, 0.04, 0.85),
        Habit(HAT, 0.95, 0.95, 0.95, 0.85, 0.1, 0.5),
        Habit(OPEN_HAT, 0, 0, 0, 0.08, 0, 0.5),
    ),
    "electro": (
        Habit(KICK, 1, 0.95, 0.85, 0.1, 0.08, 0.95),
        Habit(CLAP, 0, 0, 0.95, 0.03, 0.03, 0.75),
        Habit(OPEN_HAT, 0, 0.05, 0.05, 0.7, 0.02, 0.5),
        Habit(HAT, 0.6, 0.6, 0.6, 0.5, 0.45, 0.42),
    ),
    "half time": (
        Habit(KICK, 1, 0.1, 0.3, 0.25, 0.12, 0.95),
        Habit(SNARE, 0, 0.9, 0.05, 0.03, 0.05, 0.85),
        Habit(HAT, 0.9, 0.9, 0.9, 0.8, 0.35, 0.42),
        Habit(SHAKER, 0.3, 0.3, 0.3, 0.4, 0.3, 0.35),
    ),
    "swing": (
        Habit(RIDE, 0.98, 0.98, 0.98, 0.5, 0, 0.55),
        Habit(HAT, 0, 0.02, 0.95, 0, 0, 0.5),
        Habit(KICK, 0.6, 0.3, 0.15, 0.12, 0, 0.6),
        Habit(SNARE, 0.05, 0.1, 0.12, 0.2, 0, 0.45),
    ),
    "brushes": (
        Habit(BRUSH, 0.9, 0.9, 0.95, 0.4, 0.05, 0.55),
        Habit(KICK, 0.85, 0.4, 0.05, 0.05, 0, 0.55),
        Habit(RIDE, 0.4, 0.4, 0.4, 0.15, 0, 0.35),
    ),
    "soft": (
        Habit(KICK, 1, 0.5, 0.05, 0.15, 0, 0.7),
        Habit(RIM, 0, 0.02, 0.95, 0.06, 0.03, 0.6),
        Habit(SHAKER, 0.7, 0.7, 0.7, 0.85, 0.3, 0.35),
    ),
    "hands": (
        Habit(HAND_LOW, 0.98, 0.6, 0.25, 0.15, 0.05, 0.8),
        Habit(HAND_HIGH, 0.05, 0.3, 0.75, 0.55, 0.25, 0.6),
        Habit(SHAKER, 0.5, 0.5, 0.5, 0.7, 0.1, 0.35),
    ),
    "march": (
        Habit(KICK, 0.98, 0.9, 0.1, 0.03, 0, 0.85),
        Habit(SNARE, 0.35, 0.4, 0.9, 0.6, 0.3, 0.55),
        Habit(CRASH, 0.08, 0, 0, 0, 0, 0.5),
    ),
    "bossa": (
        Habit(KICK, 0.98, 0.9, 0.05, 0.4, 0.02, 0.65),
        Habit(RIM, 0.5, 0.3, 0.35, 0.45, 0.05, 0.6),
        Habit(SHAKER, 0.9, 0.9, 0.9, 0.9, 0.5, 0.35),
    ),
    "shuffle": (
        Habit(KICK, 0.98, 0.8, 0.1, 0.12, 0, 0.85),
        Habit(SNARE, 0, 0.03, 0.95, 0.06, 0.04, 0.8),
        Habit(RIDE, 0.95, 0.95, 0.95, 0.7, 0, 0.45),
    ),
    "none": (),
}


@dataclass(frozen=True)
class Groove:
    """One section's own pattern: (drum, position in eighths, velocity), and its metre."""

    hits: tuple[tuple[int, float, float], ...]
    metre: Metre

    def bar(self, rng: np.random.Generator, energy: float) -> Iterator[Note]:
        """The pattern once, with velocities humanised and now and then a hit left out or a ghost note added."""
        for drum, position, velocity in self.hits:
            if rng.random() < 0.94:
                loud = velocity * (0.7 + 0.3 * energy) * float(rng.normal(1, 0.08))
                yield Note(position, 0.5, drum, float(np.clip(loud, 0.1, 1)))
        if self.hits and rng.random() < 0.3:
            drum = self.hits[int(rng.integers(len(self.hits)))][0]
            yield Note(float(rng.integers(2 * sum(self.metre))) / 2, 0.5, drum, 0.3)

    def fill(self, rng: np.random.Generator) -> Iterator[Note]:
        """The end of a section: the pattern's first half, then a run over snare and toms (or the hands)."""
        bar, half = sum(self.metre), sum(self.metre) // 2
        drums = {drum for drum, _, _ in self.hits}
        yield from (Note(at, 0.5, drum, velocity) for drum, at, velocity in self.hits if at < half)
        run = (HAND_HIGH, HAND_LOW) if HAND_LOW in drums else (SNARE, TOM_HIGH, TOM_LOW)
        positions = np.arange(half, bar, 0.5)
        for index, position in enumerate(positions if self.hits else ()):
            if rng.random() < 0.75:
                drum = run[min(index * len(run) // len(positions), len(run) - 1)]
                yield Note(float(position), 0.5, drum, float(rng.uniform(0.45, 0.9)))


def draw_groove(rng: np.random.Generator, name: str, metre: Metre, energy: float) -> Groove:
    """A pattern of the named groove; lower energy leaves out more of what is optional."""
    beats = np.cumsum((0, *metre[:-1])).tolist()
    hits = []
    for habit in GROOVES[name]:
        for half in range(2 * sum(metre)):
            position = half / 2
            likely = _likely(habit, position, beats)
            if rng.random() < (likely if likely > 0.9 else likely * (0.5 + 0.6 * energy)):
                accent = 1.0 if position in beats else 0.8
                hits.append((habit.drum, position, habit.velocity * accent))
    return Groove(tuple(hits), metre)


def _likely(habit: Habit, position: float, beats: list[int]) -> float:
    if position == 0:
        return habit.first
    if position in beats:
        return habit.odd if beats.index(int(position)) % 2 == 0 else habit.even
    return habit.eighth if position == int(position) else habit.sixteenth
