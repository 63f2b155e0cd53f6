"""A whole piece on paper: the style is drawn, the sections planned, every part written. No sound yet."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from scripts.music.accompaniment import BASS_PATTERNS, CHORD_PATTERNS, Bar, Pattern, accents, arpeggio, held
from scripts.music.drums import CRASH, draw_groove
from scripts.music.form import Section, plan
from scripts.music.melody import Metre, Motif, Note, develop, invent
from scripts.music.styles import STYLES, Style
from scripts.music.theory import Key, chord, voicing

DRUMS = "drums"
CENTRE = (57, 61, 64)  # around which chords are voiced: A3
PHRASE = 4  # bars


@dataclass
class Part:
    """One player: a name of VOICES (or DRUMS), a place from −1 (left) to 1 (right), and all notes in eighths."""

    voice: str
    pan: float
    level: float
    reverb: float
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """`bpm` counts quarter notes; `swing` delays every second eighth; `space` is the share of reverb."""

    style: Style
    metre: Metre
    bpm: float
    swing: float
    key: Key
    sections: tuple[Section, ...]
    parts: tuple[Part, ...]

    @property
    def eighths(self) -> int:
        return sum(section.bars for section in self.sections) * sum(self.metre)


@dataclass(frozen=True)
class Band:
    """The players of one piece."""

    leads: tuple[Part, ...]
    chords: Part
    arpeggio: Part
    pad: Part
    bass: Part
    drums: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*self.leads, self.chords, self.arpeggio, self.pad, self.bass, self.drums)


def write_score(seed: int, duration_s: float) -> Score:
    """The piece of this seed, at least `duration_s` long; the same seed and duration give the same score."""
    rng = np.random.default_rng([seed, 1])
    style = STYLES[seed % len(STYLES)]
    metre = style.metres[int(rng.integers(len(style.metres)))]
    bpm = float(rng.uniform(*style.tempo_bpm))
    key = Key(int(rng.integers(55, 67)), str(rng.choice(style.scales)))
    bars = max(1, int(np.ceil(duration_s * bpm / 30 / sum(metre))))
    band = _hire(rng, style)
    sections = plan(rng, key, bars)
    motifs = {name: invent(rng, metre, style.density) for name in sorted({section.name for section in sections})}
    groove = str(rng.choice(style.grooves))
    for section in sections:
        _accompany(rng, band, style, metre, section)
        _sing(rng, band, metre, section, motifs[section.name])
        _drum(rng, band.drums, groove, metre, section)
    return Score(style, metre, bpm, style.swing, key, tuple(sections), band.parts)


def _hire(rng: np.random.Generator, style: Style) -> Band:
    side = float(rng.choice((-1, 1)))
    leads = tuple(
        Part(str(voice), side * pan, 0.55, style.space)
        for voice, pan in zip(rng.permutation(style.leads), (0.1, -0.25, 0.3), strict=False)
    )
    return Band(
        leads=leads,
        chords=Part(str(rng.choice(style.chords)), -0.45 * side, 0.3, style.space),
        arpeggio=Part(str(rng.choice(style.arpeggios)), 0.6 * side, 0.3, style.space * 1.3),
        pad=Part(str(rng.choice(style.pads)), 0.2 * side, 0.2, style.space * 1.5),
        bass=Part(str(rng.choice(style.basses)), 0.0, 0.6, 0.03),
        drums=Part(DRUMS, 0.0, 0.6, style.space * 0.4),
    )


def _accompany(rng: np.random.Generator, band: Band, style: Style, metre: Metre, section: Section) -> None:
    """Chords, arpeggio, pad and bass, as full as the section's energy asks for."""
    chord_pattern = CHORD_PATTERNS[str(rng.choice(style.chord_patterns))]
    bass_pattern = BASS_PATTERNS[str(rng.choice(style.bass_patterns))]
    players: list[tuple[Part, Pattern]] = []
    if section.name != "intro" or rng.random() < 0.5:
        players.append((band.chords, chord_pattern))
    if section.name in ("intro", "bridge") or section.energy > 0.85 or rng.random() < 0.3:
        players.append((band.arpeggio, arpeggio))
    if section.name in ("bridge", "outro") or section.energy > 0.75:
        players.append((band.pad, held))
    if section.name not in ("intro",):
        players.append((band.bass, bass_pattern))
    for part, pattern in players:
        part.notes += _play(rng, pattern, style, metre, section)


def _play(rng: np.random.Generator, pattern: Pattern, style: Style, metre: Metre, section: Section) -> Iterator[Note]:
    """A pattern through all bars of a section, its rhythm and order drawn anew for every phrase."""
    for first in range(0, section.bars, PHRASE):
        hits = accents(rng, metre, style.density * (0.5 + section.energy))
        order = tuple(int(place) for place in rng.integers(0, 6, size=int(rng.choice((6, 7, 8)))))
        rate = float(rng.choice((0.5, 1, 1, 2 / 3) if style.density < 0.6 else (0.5, 1)))
        pitches = tuple(pitch + int(rng.integers(-5, 6)) for pitch in CENTRE)
        for index, root in enumerate(section.chords[first : first + PHRASE], first):
            pitches = voicing(section.key, chord(root, seventh=style.sevenths), pitches)
            following = section.chords[index + 1] if index + 1 < section.bars else 0
            bar = Bar(metre, section.key, root, following, pitches, hits, order, rate, rng)
            yield from _moved(pattern(bar), (section.first_bar + index) * sum(metre))


def _sing(rng: np.random.Generator, band: Band, metre: Metre, section: Section, motif: Motif) -> None:
    """The melody: another player for every section, doubled by a third one below when it is full."""
    if section.name == "intro" and rng.random() < 0.5:
        return
    places = {"verse": 0, "chorus": 1, "bridge": 2, "solo": 2, "intro": 1, "outro": 0}
    lead = (places[section.name] + section.turn) % len(band.leads)
    register = {"chorus": 4, "solo": 5, "bridge": 2}.get(section.name, 1) + int(rng.integers(-1, 2))
    start = section.first_bar * sum(metre)
    melody = list(_moved(develop(rng, motif, section.chords, metre, section.key, register), start))
    band.leads[lead].notes += melody
    if section.energy > 0.95:
        second = band.leads[(lead + 1) % len(band.leads)]
        second.notes += [
            note._replace(pitch=_third_below(section.key, note.pitch), velocity=note.velocity * 0.6)
            for note in melody
            if note.length > 0.6
        ]


def _third_below(key: Key, pitch: int) -> int:
    degrees = range(-14, 22)
    return key.pitch(min(degrees, key=lambda degree: abs(key.pitch(degree) - pitch)) - 2)


def _drum(rng: np.random.Generator, drums: Part, groove: str, metre: Metre, section: Section) -> None:
    if section.energy < 0.4:
        return
    for index in range(section.bars):
        if index % PHRASE == 0:
            pattern = draw_groove(rng, groove, metre, section.energy)
        start = (section.first_bar + index) * sum(metre)
        last = index == section.bars - 1 and section.bars > 1
        drums.notes += _moved(pattern.fill(rng) if last else pattern.bar(rng, section.energy), start)
    if section.energy > 0.75 and pattern.hits:
        drums.notes.append(Note(section.first_bar * sum(metre), 1, CRASH, 0.5))


def _moved(notes: Iterator[Note], start: float) -> Iterator[Note]:
    for note in notes:
        yield note._replace(start=note.start + start)
