"""Scales, keys and harmony: what a piece may play.

A degree counts steps of the scale from the tonic (0 is the tonic, 7 the same an octave up, −1 the step below); a
pitch is a MIDI note number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
}

# How willingly a chord root (a degree) moves to another: falling fifths and thirds, the dominant to the tonic.
FOLLOWS: dict[int, dict[int, float]] = {
    0: {3: 3, 4: 2, 5: 3, 1: 2, 2: 1, 6: 0.5},
    1: {4: 4, 3: 1, 6: 1, 5: 0.5},
    2: {5: 4, 3: 2, 1: 0.5},
    3: {4: 3, 0: 2, 1: 2, 5: 1, 6: 0.5},
    4: {0: 4, 5: 2, 3: 1, 2: 0.5},
    5: {3: 3, 1: 2, 4: 2, 2: 1},
    6: {2: 2, 0: 2, 5: 1, 3: 1},
}


@dataclass(frozen=True)
class Key:
    """A scale on a tonic (a pitch).

    >>> [Key(60, "major").pitch(degree) for degree in (-1, 0, 2, 7)]
    [59, 60, 64, 72]
    """

    tonic: int
    scale: str

    def pitch(self, degree: int) -> int:
        octave, step = divmod(degree, 7)
        return self.tonic + 12 * octave + SCALES[self.scale][step]

    def moved(self, semitones: int) -> "Key":
        return replace(self, tonic=self.tonic + semitones)


def progression(rng: np.random.Generator, bars: int) -> tuple[int, ...]:
    """Chord roots, one a bar: a weighted walk that opens on the tonic or its relative and ends on the dominant.

    The open end pulls into whichever section follows.
    """
    roots = [int(rng.choice((0, 0, 0, 5, 3)))]
    while len(roots) < bars:
        choices = FOLLOWS[roots[-1]]
        weights = np.array(list(choices.values()))
        roots.append(int(rng.choice(list(choices), p=weights / weights.sum())))
    if bars > 2:
        roots[-1] = int(rng.choice((4, 4, 6, 3)))
    return tuple(roots)


def reharmonised(rng: np.random.Generator, roots: Sequence[int], share: float) -> tuple[int, ...]:
    """The same progression with a share of its chords exchanged for one a third away."""
    moved = rng.random(len(roots)) < share
    thirds = rng.choice((-2, 2), size=len(roots))
    return tuple(int((root + third) % 7) for root, third in zip(roots, moved * thirds, strict=True))


def chord(root: int, *, seventh: bool) -> tuple[int, ...]:
    """Degrees of the chord stacked in thirds on `root`.

    >>> chord(4, seventh=True)
    (4, 6, 8, 10)
    """
    return tuple(root + third for third in ((0, 2, 4, 6) if seventh else (0, 2, 4)))


def voicing(key: Key, degrees: Sequence[int], previous: Sequence[int]) -> tuple[int, ...]:
    """Pitches of a chord in the inversion and octave that moves least from `previous`, low to high."""
    candidates = []
    for inversion in range(len(degrees)):
        turned = [*degrees[inversion:], *(degree + 7 for degree in degrees[:inversion])]
        candidates += [tuple(key.pitch(degree) + shift for degree in turned) for shift in (-24, -12, 0, 12)]
    centre = float(np.mean(previous))
    return min(candidates, key=lambda pitches: (abs(float(np.mean(pitches)) - centre), pitches))
