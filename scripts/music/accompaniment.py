"""Chords, arpeggios and bass lines under a melody; each pattern yields one bar's notes, starts counted from the bar."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.music.melody import Metre, Note
from scripts.music.theory import Key


@dataclass(frozen=True)
class Bar:
    """What a pattern may know about its bar: the metre, the harmony now and next, and the section's own rhythm.

    `pitches` voice the chord, low to high; `hits` are the section's accents in eighths; `order` permutes arpeggios.
    """

    metre: Metre
    key: Key
    root: int
    next_root: int
    pitches: tuple[int, ...]
    hits: tuple[float, ...]
    order: tuple[int, ...]
    rate: float
    rng: np.random.Generator

    @property
    def length(self) -> int:
        return sum(self.metre)

    @property
    def groups(self) -> tuple[int, ...]:
        """Where the groups of the metre start."""
        return tuple(int(start) for start in np.cumsum((0, *self.metre[:-1])))

    def velocity(self, centre: float) -> float:
        return float(np.clip(centre + self.rng.normal(0, 0.06), 0.2, 1.0))

    def low(self, degree: int) -> int:
        """The pitch of a degree in the octave of the bass (E1 to D♯2)."""
        return 28 + (self.key.pitch(degree) - 28) % 12


Pattern = Callable[[Bar], Iterator[Note]]


def accents(rng: np.random.Generator, metre: Metre, density: float) -> tuple[float, ...]:
    """A rhythm for chords or bass: the first beat and a random choice of the others, in eighths."""
    starts = set(np.cumsum((0, *metre[:-1])).tolist())
    chosen = [0.0]
    for half in range(1, 2 * sum(metre)):
        position = half / 2
        willingness = 0.55 if position in starts else 0.32 if position == int(position) else 0.08
        if rng.random() < willingness * (0.6 + 0.9 * density):
            chosen.append(position)
    return tuple(chosen)


def _lengths(hits: Sequence[float], bar_length: float) -> Iterator[tuple[float, float]]:
    for start, end in zip(hits, (*hits[1:], bar_length), strict=True):
        yield start, end - start


def held(bar: Bar) -> Iterator[Note]:
    for pitch in bar.pitches:
        yield Note(0, bar.length * 0.98, pitch, bar.velocity(0.55))


def strum(bar: Bar) -> Iterator[Note]:
    """Strokes on the section's accents, down and up in turn, the strings a few hundredths apart."""
    for stroke, (start, length) in enumerate(_lengths(bar.hits, bar.length)):
        strings = bar.pitches if stroke % 2 == 0 else bar.pitches[::-1]
        for string, pitch in enumerate((*strings, strings[0] + 12)):
            yield Note(start + 0.06 * string, length * 0.9, pitch, bar.velocity(0.6 if stroke % 2 == 0 else 0.45))


def stabs(bar: Bar) -> Iterator[Note]:
    for start, length in _lengths(bar.hits, bar.length):
        if bar.rng.random() < 0.88:
            for pitch in bar.pitches:
                yield Note(start, min(length * 0.6, 1.5), pitch, bar.velocity(0.6))


def oompah(bar: Bar) -> Iterator[Note]:
    """The chord after each beat that the bass plays."""
    for start, group in zip(bar.groups, bar.metre, strict=True):
        for offset in range(1, group):
            for pitch in bar.pitches:
                yield Note(start + offset, 0.7, pitch, bar.velocity(0.5))


def broken(bar: Bar) -> Iterator[Note]:
    """The chord one note at a time, in the section's order, slower than an arpeggio."""
    tones = (*bar.pitches, bar.pitches[0] + 12)
    for index in range(bar.length):
        yield Note(index, 1.8, tones[bar.order[index % len(bar.order)] % len(tones)], bar.velocity(0.55))


def arpeggio(bar: Bar) -> Iterator[Note]:
    """Chord tones over two octaves in the section's order and rate, with a few of them left out."""
    tones = (*bar.pitches, *(pitch + 12 for pitch in bar.pitches))
    for index in range(round(bar.length / bar.rate)):
        if bar.rng.random() < 0.9:
            tone = tones[bar.order[index % len(bar.order)] % len(tones)]
            yield Note(index * bar.rate, bar.rate * 1.4, tone, bar.velocity(0.62 if index % 4 == 0 else 0.48))


def roots(bar: Bar) -> Iterator[Note]:
    for index, (start, group) in enumerate(zip(bar.groups, bar.metre, strict=True)):
        if index % 2 == 0 or bar.rng.random() < 0.35:
            degree = bar.root + (4 if index % 2 else 0)
            yield Note(start, group * 0.9, bar.low(degree), bar.velocity(0.75))


def walking(bar: Bar) -> Iterator[Note]:
    """One note a beat: the root, chord or scale tones, and a step into the next root at the end."""
    last = len(bar.metre) - 1
    for index, (start, group) in enumerate(zip(bar.groups, bar.metre, strict=True)):
        degree = bar.root
        if index == last:
            degree = bar.next_root + int(bar.rng.choice((-1, 1)))
        elif index:
            degree += int(bar.rng.choice((1, 2, 4, 4, 6)))
        yield Note(start, group * 0.92, bar.low(degree), bar.velocity(0.75))


def octaves(bar: Bar) -> Iterator[Note]:
    root = bar.low(bar.root)
    for index in range(bar.length):
        high = 12 if index % 2 else 0
        yield Note(index, 0.8, root + high, bar.velocity(0.6 if high else 0.75))


def pulse(bar: Bar) -> Iterator[Note]:
    """The root in eighths, the last of them leading to the next root."""
    for index in range(bar.length):
        degree = bar.next_root - 1 if index == bar.length - 1 else bar.root
        yield Note(index, 0.85, bar.low(degree), bar.velocity(0.8 if index == 0 else 0.62))


def syncopated(bar: Bar) -> Iterator[Note]:
    for start, length in _lengths(bar.hits, bar.length):
        degree = bar.root + int(bar.rng.choice((0, 0, 0, 4, 2)))
        yield Note(start, min(length, 3) * 0.85, bar.low(degree if start else bar.root), bar.velocity(0.72))


CHORD_PATTERNS: dict[str, Pattern] = {
    "held": held,
    "strum": strum,
    "stabs": stabs,
    "oompah": oompah,
    "broken": broken,
}
BASS_PATTERNS: dict[str, Pattern] = {
    "roots": roots,
    "walking": walking,
    "octaves": octaves,
    "pulse": pulse,
    "syncopated": syncopated,
}
