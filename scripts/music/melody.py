"""Melody from the development of a motif.

Time is counted in eighth notes. A metre is its groups of eighths: (2, 2, 2, 2) is 4/4, (3, 3) is 6/8, (2, 2, 3) is 7/8.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scripts.music.theory import Key

Metre = tuple[int, ...]

# Ways to fill a group of two or three eighths, from calm to busy; negative lengths are rests.
CELLS: dict[int, tuple[tuple[float, ...], ...]] = {
    2: ((2,), (1.5, 0.5), (1, 1), (-1, 1), (0.5, 0.5, 1), (1, 0.5, 0.5), (0.5, 1, 0.5), (0.5, 0.5, 0.5, 0.5)),
    3: ((3,), (2, 1), (1, 2), (-1, 1, 1), (1, 1, 1), (1.5, 0.5, 1), (0.5, 0.5, 1, 1), (1, 0.5, 0.5, 1)),
}
STEPS = (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5)
STEP_WEIGHTS = np.array((0.3, 0.6, 1, 2.5, 4, 1, 4, 2.5, 1, 0.6, 0.3))


class Note(NamedTuple):
    """One note: start and length in eighths, a MIDI pitch, a velocity of 0 to 1."""

    start: float
    length: float
    pitch: int
    velocity: float


@dataclass(frozen=True)
class Motif:
    """A rhythm in eighths (negative: a rest) and the step of the scale that leads to each note."""

    lengths: tuple[float, ...]
    steps: tuple[int, ...]

    def inverted(self) -> "Motif":
        return Motif(self.lengths, tuple(-step for step in self.steps))

    def reversed(self) -> "Motif":
        return Motif(self.lengths[::-1], tuple(-step for step in self.steps[::-1]))

    def ornamented(self, rng: np.random.Generator) -> "Motif":
        """One of the longer notes split in two, with a neighbour note as its second half."""
        long = [index for index, length in enumerate(self.lengths) if length >= 1]
        if not long:
            return self
        at = int(rng.choice(long))
        half, turn = self.lengths[at] / 2, int(rng.choice((-1, 1)))
        after = tuple(step - turn if index == 0 else step for index, step in enumerate(self.steps[at + 1 :]))
        return Motif(
            (*self.lengths[:at], half, half, *self.lengths[at + 1 :]),
            (*self.steps[: at + 1], turn, *after),
        )

    def varied(self, rng: np.random.Generator) -> "Motif":
        choice = rng.random()
        if choice < 0.3:
            return self
        if choice < 0.65:
            return self.ornamented(rng)
        return self.inverted() if choice < 0.85 else self.reversed()


def invent(rng: np.random.Generator, metre: Metre, density: float) -> Motif:
    """A motif of one bar; `density` of 0 to 1 goes from long notes to sixteenths."""
    lengths: list[float] = []
    for group in metre:
        cells = CELLS[group]
        centre = density * (len(cells) - 1)
        weights = np.exp(-0.5 * ((np.arange(len(cells)) - centre) / 1.6) ** 2)
        lengths += cells[int(rng.choice(len(cells), p=weights / weights.sum()))]
    if density < 0.5 and len(lengths) > 2 and lengths[-2] > 0 and lengths[-1] > 0:
        lengths[-2:] = [lengths[-2] + lengths[-1]]
    steps = rng.choice(STEPS, size=len(lengths), p=STEP_WEIGHTS / STEP_WEIGHTS.sum())
    return Motif(tuple(lengths), tuple(int(step) for step in steps))


def nearest_chord_tone(degree: int, root: int) -> int:
    """The degree nearest to `degree` that belongs to the triad on `root`.

    >>> nearest_chord_tone(8, 0)
    7
    """
    near = (degree, degree - 1, degree + 1)
    return next(tone for tone in near if (tone - root) % 7 in (0, 2, 4))


def develop(
    rng: np.random.Generator, motif: Motif, roots: Sequence[int], metre: Metre, key: Key, register: int
) -> Iterator[Note]:
    """A melody over chord `roots` (one a bar): the motif, varied, follows the harmony in an arch around `register`.

    `register` is a degree. Starts count from the first bar of the section; the last bar comes to rest.
    """
    bar = sum(metre)
    strong = set(np.cumsum((0, *metre[:-1])).tolist())
    rest_at = len(roots) - 1 if len(roots) > 2 else len(roots)
    degree = register
    for index, root in enumerate(roots):
        arch = 3 * np.sin(np.pi * (index + 0.5) / len(roots))
        degree = nearest_chord_tone(round(0.4 * degree + 0.6 * (register + arch)), root)
        figure = Motif((bar * 0.75,), (0,)) if index == rest_at else motif.varied(rng)
        position = 0.0
        for length, step in zip(figure.lengths, figure.steps, strict=True):
            if length > 0:
                degree = int(np.clip(degree + step, register - 6, register + 8))
                if position in strong:
                    degree = nearest_chord_tone(degree, root)
                accent = 0.12 if position in strong else 0.0
                velocity = float(np.clip(0.68 + accent + rng.normal(0, 0.07), 0.3, 1.0))
                yield Note(index * bar + position, length * 0.93, key.pitch(degree), velocity)
            position += abs(length)
