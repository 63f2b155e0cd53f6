"""Styles as data: what kinds of pieces there are and which instruments play them."""

from dataclasses import dataclass

from scripts.music.melody import Metre

FOUR: Metre = (2, 2, 2, 2)
WALTZ: Metre = (2, 2, 2)
SIX_EIGHT: Metre = (3, 3)
TWELVE_EIGHT: Metre = (3, 3, 3, 3)
FIVE: Metre = (3, 3, 2, 2)
SEVEN: Metre = (2, 2, 3)


@dataclass(frozen=True)
class Style:
    """Ranges and choices that a piece of this style is drawn from.

    tempo_bpm counts quarter notes a minute; density (0 to 1) is how busy melodies are; swing (0 to 0.35) is how late
    the second of two eighths falls; the names are those of VOICES, CHORD_PATTERNS, BASS_PATTERNS and GROOVES.
    """

    name: str
    metres: tuple[Metre, ...]
    tempo_bpm: tuple[int, int]
    scales: tuple[str, ...]
    density: float
    leads: tuple[str, ...]
    chords: tuple[str, ...]
    arpeggios: tuple[str, ...]
    pads: tuple[str, ...]
    basses: tuple[str, ...]
    chord_patterns: tuple[str, ...]
    bass_patterns: tuple[str, ...]
    grooves: tuple[str, ...]
    sevenths: bool = False
    swing: float = 0.0
    space: float = 0.25


STYLES: tuple[Style, ...] = (
    Style(
        name="synth pop",
        metres=(FOUR,),
        tempo_bpm=(108, 128),
        scales=("minor", "major", "dorian"),
        density=0.45,
        leads=("saw lead", "square lead", "whistle"),
        chords=("saw stab", "electric piano"),
        arpeggios=("square pluck", "bell"),
        pads=("warm pad", "glass pad"),
        basses=("saw bass", "sub bass"),
        chord_patterns=("stabs", "held"),
        bass_patterns=("octaves", "pulse"),
        grooves=("electro", "rock"),
    ),
    Style(
        name="folk waltz",
        metres=(WALTZ,),
        tempo_bpm=(96, 138),
        scales=("major", "mixolydian", "dorian"),
        density=0.4,
        leads=("violin", "flute", "accordion"),
        chords=("nylon guitar", "steel guitar"),
        arpeggios=("harp", "mandolin"),
        pads=("strings",),
        basses=("upright bass",),
        chord_patterns=("oompah", "strum"),
        bass_patterns=("roots", "walking"),
        grooves=("brushes", "hands"),
        space=0.2,
    ),
    Style(
        name="jazz quartet",
        metres=(FOUR, WALTZ),
        tempo_bpm=(112, 168),
        scales=("dorian", "major", "mixolydian"),
        density=0.55,
        leads=("clarinet", "trumpet", "vibraphone"),
        chords=("piano", "electric piano"),
        arpeggios=("nylon guitar", "vibraphone"),
        pads=("organ",),
        basses=("upright bass",),
        chord_patterns=("stabs", "strum"),
        bass_patterns=("walking",),
        grooves=("swing", "brushes"),
        sevenths=True,
        swing=0.3,
        space=0.15,
    ),
    Style(
        name="ballad",
        metres=(FOUR, SIX_EIGHT),
        tempo_bpm=(66, 84),
        scales=("major", "minor"),
        density=0.35,
        leads=("violin", "oboe", "piano"),
        chords=("piano", "electric piano"),
        arpeggios=("harp", "celesta"),
        pads=("strings", "choir"),
        basses=("finger bass", "upright bass"),
        chord_patterns=("broken", "held"),
        bass_patterns=("roots", "syncopated"),
        grooves=("soft", "brushes"),
        space=0.4,
    ),
    Style(
        name="rock",
        metres=(FOUR,),
        tempo_bpm=(118, 152),
        scales=("minor", "mixolydian", "major"),
        density=0.5,
        leads=("distorted guitar", "saw lead", "organ"),
        chords=("steel guitar", "distorted guitar"),
        arpeggios=("steel guitar", "piano"),
        pads=("organ", "strings"),
        basses=("finger bass", "saw bass"),
        chord_patterns=("strum", "stabs"),
        bass_patterns=("pulse", "octaves", "syncopated"),
        grooves=("rock", "half time"),
        space=0.15,
    ),
    Style(
        name="balkan dance",
        metres=(SEVEN, FIVE),
        tempo_bpm=(112, 150),
        scales=("phrygian dominant", "harmonic minor", "dorian"),
        density=0.65,
        leads=("clarinet", "accordion", "trumpet"),
        chords=("accordion", "nylon guitar"),
        arpeggios=("mandolin", "koto"),
        pads=("strings",),
        basses=("finger bass", "upright bass"),
        chord_patterns=("oompah", "stabs"),
        bass_patterns=("roots", "syncopated"),
        grooves=("hands", "march"),
        space=0.18,
    ),
    Style(
        name="baroque dance",
        metres=(WALTZ, SIX_EIGHT, FOUR),
        tempo_bpm=(84, 120),
        scales=("harmonic minor", "major", "minor"),
        density=0.7,
        leads=("oboe", "flute", "violin"),
        chords=("harpsichord", "pipe organ"),
        arpeggios=("harpsichord", "harp"),
        pads=("pipe organ", "strings"),
        basses=("cello",),
        chord_patterns=("broken", "held"),
        bass_patterns=("walking", "syncopated"),
        grooves=("none", "march"),
        space=0.35,
    ),
    Style(
        name="bossa nova",
        metres=(FOUR,),
        tempo_bpm=(118, 146),
        scales=("major", "dorian", "minor"),
        density=0.45,
        leads=("flute", "whistle", "vibraphone"),
        chords=("nylon guitar", "electric piano"),
        arpeggios=("marimba", "vibraphone"),
        pads=("warm pad", "strings"),
        basses=("upright bass", "finger bass"),
        chord_patterns=("strum", "stabs"),
        bass_patterns=("syncopated", "roots"),
        grooves=("bossa", "hands"),
        sevenths=True,
        space=0.2,
    ),
    Style(
        name="night drive",
        metres=(FOUR,),
        tempo_bpm=(88, 112),
        scales=("minor", "dorian", "harmonic minor"),
        density=0.5,
        leads=("saw lead", "trumpet", "electric piano"),
        chords=("electric piano", "saw stab"),
        arpeggios=("bell", "square pluck"),
        pads=("warm pad", "choir"),
        basses=("sub bass", "saw bass"),
        chord_patterns=("held", "stabs"),
        bass_patterns=("syncopated", "pulse"),
        grooves=("half time", "electro"),
        sevenths=True,
        space=0.3,
    ),
    Style(
        name="slow blues",
        metres=(TWELVE_EIGHT,),
        tempo_bpm=(84, 108),
        scales=("mixolydian", "dorian"),
        density=0.5,
        leads=("distorted guitar", "clarinet", "organ"),
        chords=("piano", "organ"),
        arpeggios=("steel guitar", "piano"),
        pads=("organ",),
        basses=("finger bass", "upright bass"),
        chord_patterns=("stabs", "broken"),
        bass_patterns=("walking", "roots"),
        grooves=("shuffle", "brushes"),
        sevenths=True,
        space=0.2,
    ),
    Style(
        name="eastern garden",
        metres=(FOUR, FIVE),
        tempo_bpm=(76, 104),
        scales=("phrygian dominant", "lydian", "dorian"),
        density=0.55,
        leads=("koto", "flute", "violin"),
        chords=("harp", "koto"),
        arpeggios=("marimba", "celesta"),
        pads=("glass pad", "choir"),
        basses=("finger bass", "sub bass"),
        chord_patterns=("broken", "strum"),
        bass_patterns=("roots", "syncopated"),
        grooves=("hands", "none"),
        space=0.4,
    ),
    Style(
        name="arcade",
        metres=(FOUR, WALTZ),
        tempo_bpm=(126, 160),
        scales=("major", "minor", "lydian"),
        density=0.6,
        leads=("square lead", "whistle", "saw lead"),
        chords=("square pluck", "saw stab"),
        arpeggios=("square pluck", "celesta"),
        pads=("glass pad",),
        basses=("square bass", "saw bass"),
        chord_patterns=("stabs", "broken"),
        bass_patterns=("octaves", "pulse"),
        grooves=("electro", "march"),
        space=0.12,
    ),
    Style(
        name="march",
        metres=(FOUR, SIX_EIGHT),
        tempo_bpm=(100, 124),
        scales=("major", "mixolydian"),
        density=0.5,
        leads=("trumpet", "flute", "clarinet"),
        chords=("brass", "accordion"),
        arpeggios=("marimba", "piano"),
        pads=("brass", "strings"),
        basses=("tuba",),
        chord_patterns=("oompah", "stabs"),
        bass_patterns=("roots", "walking"),
        grooves=("march",),
        space=0.3,
    ),
)
