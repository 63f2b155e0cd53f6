"""Song form: which sections follow each other, in which key, over which chords, how full."""

from dataclasses import dataclass

import numpy as np

from scripts.music.theory import Key, progression, reharmonised

FORMS: tuple[tuple[str, ...], ...] = (
    ("intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro"),
    ("intro", "verse", "verse", "bridge", "verse", "chorus", "outro"),
    ("intro", "chorus", "verse", "chorus", "bridge", "solo", "chorus", "outro"),
    ("intro", "verse", "chorus", "solo", "bridge", "verse", "chorus", "outro"),
)
BARS = {"intro": 4, "verse": 8, "chorus": 8, "bridge": 6, "solo": 8, "outro": 4}
ENERGY = {"intro": 0.35, "verse": 0.55, "chorus": 0.95, "bridge": 0.45, "solo": 0.8, "outro": 0.3}
BRIDGE_MOVES = (5, -5, 3, -3, 2)  # semitones
LAST_CHORUS_MOVES = (0, 0, 1, 2)


@dataclass(frozen=True)
class Section:
    """`chords` holds one root (a degree) a bar; `turn` counts the earlier sections of the same name."""

    name: str
    first_bar: int
    bars: int
    key: Key
    chords: tuple[int, ...]
    energy: float
    turn: int


def plan(rng: np.random.Generator, key: Key, bars: int) -> list[Section]:
    """Sections that fill `bars` bars; a repeated section keeps its progression, partly reharmonised."""
    names = _names(rng, bars)
    edges = np.round(np.cumsum([0, *(BARS[name] for name in names)]) * bars / sum(BARS[name] for name in names))
    progressions = {name: progression(rng, 16) for name in sorted(set(names))}
    move = int(rng.choice(BRIDGE_MOVES))
    lift = int(rng.choice(LAST_CHORUS_MOVES))
    last_chorus = max((index for index, name in enumerate(names) if name == "chorus"), default=-1)
    sections: list[Section] = []
    for index, name in enumerate(names):
        first, length = int(edges[index]), int(edges[index + 1] - edges[index])
        turn = names[:index].count(name)
        home = key.moved(move if name == "bridge" else lift if index == last_chorus else 0)
        chords = reharmonised(rng, _cycle(progressions[name], length), 0.3 if turn else 0.0)
        energy = min(1.0, ENERGY[name] + 0.05 * turn)
        if length:
            sections.append(Section(name, first, length, home, chords, energy, turn))
    return sections


def _names(rng: np.random.Generator, bars: int) -> tuple[str, ...]:
    """A form; a short piece gets a part of one, a long piece one with its middle repeated."""
    form = FORMS[int(rng.integers(len(FORMS)))]
    if bars < 16:
        return form[1 : 1 + max(1, bars // 4)]
    while bars > 1.6 * sum(BARS[name] for name in form):
        form = (*form[:-1], *FORMS[int(rng.integers(len(FORMS)))][1:-1], form[-1])
    return form


def _cycle(roots: tuple[int, ...], length: int) -> tuple[int, ...]:
    return tuple(roots[index % len(roots)] for index in range(length))
