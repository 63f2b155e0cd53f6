"""Music rendered from scores: each MIDI file in a few variants, changed at random, played with a soundfont."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import mido
import numpy as np
from numpy.random import Generator

from ingest.errors import ConfigurationError, InfrastructureError
from scripts.material.shelf import Shelf, slug
from scripts.material.tools import Say, run
from scripts.material.wave import beginning, is_silent, seconds

SUFFIXES = (".mid", ".midi")
LONGEST_S = 150.0
SHORTEST_S = 5.0
RENDER_RATE = 16_000  # Hz
GAIN = 0.35  # of fluidsynth: its default, 0.2, is quiet, and from 0.5 on full scores are clipped
TICKS_A_SECOND = 1_920  # of what is written: 960 a beat at 120 beats a minute, whatever the score said
DRUMS = 9  # General MIDI's channel of percussion
MELODIC = 96  # programmes below are instruments, those above synthesiser effects and noises
FAMILY = 8  # programmes of one kind stand together: pianos 0–7, chromatic percussion 8–15, …
BANK_SELECT = (0, 32)
ALL_NOTES_OFF = 123
# What reading raises for a file that is no sound MIDI file.
MIDI_ERRORS = (OSError, EOFError, ValueError, KeyError, IndexError)


@dataclass
class Change:
    """How a variant differs from its score. The programmes are drawn as the score asks for them."""

    semitones: int
    tempo: float
    rng: Generator
    programmes: dict[tuple[int, int], int] = field(default_factory=dict, init=False)

    @classmethod
    def drawn(cls, rng: Generator) -> Change:
        return cls(int(rng.integers(-4, 5)), float(rng.uniform(0.85, 1.2)), rng)

    def programme(self, channel: int, programme: int) -> int:
        """Instead of a programme: half of the time one of its family, else any melodic one. Kits of drums stay."""
        if channel == DRUMS:
            return programme
        if (channel, programme) not in self.programmes:
            family = FAMILY * (programme // FAMILY) + int(self.rng.integers(FAMILY))
            other = int(self.rng.integers(MELODIC))
            self.programmes[channel, programme] = family if self.rng.random() < 0.5 else other
        return self.programmes[channel, programme]

    def note(self, channel: int, note: int) -> int:
        """Transposed, by an octave less where it would leave the keys; drums stay."""
        if channel == DRUMS:
            return note
        moved = note + self.semitones
        return moved - 12 if moved > 127 else moved + 12 if moved < 0 else moved


def add_scores(shelf: Shelf, folder: Path, variants: int, soundfonts: Sequence[Path], seed: int, say: Say) -> None:
    """`variants` recordings of every score below `folder`, the soundfonts taking turns.

    Raises ConfigurationError without scores, soundfonts or fluidsynth.
    """
    for soundfont in soundfonts:
        if not soundfont.exists():
            raise ConfigurationError(f"{soundfont} is missing: apt-get install fluid-soundfont-gm timgm6mb-soundfont")
    scores = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not scores:
        raise ConfigurationError(f"scores={folder} holds no MIDI files")
    for number, score in enumerate(scores):
        for variant in range(variants):
            unit = f"score-{slug(str(score.relative_to(folder).with_suffix('')))}-{variant + 1}"
            if not shelf.is_done(unit):
                rng = np.random.default_rng((seed, zlib.crc32(score.name.encode()), variant))
                soundfont = soundfonts[(number + variant) % len(soundfonts)]
                add_variant(shelf, unit, score, Change.drawn(rng), soundfont)
        say(f"{number + 1} of {len(scores)}: {score.stem}")


def add_variant(shelf: Shelf, unit: str, score: Path, change: Change, soundfont: Path) -> None:
    """Render one variant; a score that cannot be read, or sounds of nothing, is noted as such."""
    try:
        samples = rendered(changed(mido.MidiFile(score, clip=True), change), soundfont)
    except MIDI_ERRORS as error:
        return shelf.finish(unit, [], f"{score.name} cannot be read: {error}")
    except InfrastructureError as error:
        return shelf.finish(unit, [], f"{score.name}: {error}")
    if is_silent(samples) or seconds(samples) < SHORTEST_S:
        return shelf.finish(unit, [], f"{score.name} is silent or shorter than {SHORTEST_S:g} s")
    note = f"as the score {score.name}; played with {soundfont.name}, {change.semitones:+d} semitones, "
    note += f"tempo {change.tempo:.2f}"
    return shelf.finish(unit, [shelf.put("music", unit, samples, unit, soundfont.stem, note)])


def changed(score: mido.MidiFile, change: Change) -> mido.MidiFile:
    """The first LONGEST_S of the score, changed, in one track of constant tempo that ends with all notes off."""
    track = mido.MidiTrack()
    written = 0
    for at_s, message in _messages(score, change):
        ticks = round(at_s * TICKS_A_SECOND)
        track.append(message.copy(time=ticks - written))
        written = ticks
    return mido.MidiFile(type=0, ticks_per_beat=TICKS_A_SECOND // 2, tracks=[track])


def fluidsynth_command(soundfont: Path, midi: Path, wav: Path) -> list[str]:
    """Into a file at RENDER_RATE, as fast as it goes; no shell, no MIDI input, no sound device."""
    settings = ["-ni", "-q", "-g", str(GAIN), "-r", str(RENDER_RATE), "-O", "s16", "-T", "wav", "-F", str(wav)]
    return ["fluidsynth", *settings, str(soundfont), str(midi)]


def rendered(midi: mido.MidiFile, soundfont: Path) -> np.ndarray:
    """float32 [T] at SAMPLE_RATE. Raises ConfigurationError without fluidsynth."""
    with TemporaryDirectory() as folder:
        score, wav = Path(folder) / "score.mid", Path(folder) / "score.wav"
        midi.save(score)
        run(fluidsynth_command(soundfont, score, wav))
        return beginning(wav, LONGEST_S)


def _messages(score: mido.MidiFile, change: Change) -> Iterator[tuple[float, mido.Message]]:
    """(seconds, message): a programme for every channel, the score's messages of the channels, all notes off."""
    for channel in range(16):
        programme = change.programme(channel, 0)
        yield 0.0, mido.Message("program_change", channel=channel, program=programme)
    at_s = 0.0
    for message in score:
        at_s += message.time / change.tempo
        if at_s > LONGEST_S:
            break
        if (new := _changed(message, change)) is not None:
            yield at_s, new
    for channel in range(16):
        yield min(at_s, LONGEST_S), mido.Message("control_change", channel=channel, control=ALL_NOTES_OFF)


def _changed(message: mido.Message, change: Change) -> mido.Message | None:
    """The message of the variant; None for what is left out: meta messages, devices' own, and other banks."""
    if message.is_meta or not hasattr(message, "channel"):
        return None
    if message.type == "control_change" and message.control in BANK_SELECT:
        return None
    if message.type == "program_change":
        return message.copy(program=change.programme(message.channel, message.program))
    if message.type in ("note_on", "note_off", "polytouch"):
        return message.copy(note=change.note(message.channel, message.note))
    return message
