"""What the demonstration asks, and whether an answer is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from scripts.music.catalog import Song
from scripts.music.files import FORMATS, read, write
from scripts.spoil import CONDITIONS, Condition
from serve.answers import Identification

SAMPLE_RATE = 16_000  # Hz, of the clips
MARGIN_S = 3.0  # from either end of a track
OFFSET_TOLERANCE_S = 0.5
ASKED: tuple[tuple[str, float], ...] = (
    ("clean", 10),
    ("clean", 5),
    ("pink 5 dB", 10),
    ("pink 0 dB", 10),
    ("crowd 5 dB", 10),
    ("crowd 5 dB", 5),
    ("room", 10),
    ("room", 5),
    ("room, pink 10 dB", 10),
    ("speed 1.05", 10),
    ("speed 0.95", 10),
    ("tempo 1.10", 10),
    ("phone", 10),
    ("phone", 5),
    ("mp3 32 kbit/s", 10),
    ("opus 12 kbit/s", 5),
)
ASKED_OF_UNKNOWN: tuple[tuple[str, float], ...] = (("clean", 10), ("pink 5 dB", 10))
CLIP_FORMATS = ("wav", "flac", "opus")


@dataclass(frozen=True)
class Trial:
    """A clip of `clip_s` from `offset_s` of a song; `known` when the catalogue holds the song."""

    song: Song
    known: bool
    condition: Condition
    offset_s: float
    clip_s: float
    form: str

    def file_name(self, number: int) -> str:
        condition = self.condition.name.replace("/", " per ").replace(",", "")
        return f"{number:02d} {condition} {self.clip_s:.0f} s{FORMATS[self.form].suffix}"


@dataclass(frozen=True)
class Answer:
    """The best match, or no title when the service knows none; `offset_s` is where it places the clip."""

    title: str | None
    file_name: str | None
    offset_s: float | None
    confidence: float | None
    round_trip_ms: float

    @classmethod
    def of(cls, reply: Identification, round_trip_ms: float) -> "Answer":
        """Reads the reply of `POST /v1/identify`."""
        if not reply["matches"]:
            return cls(None, None, None, None, round_trip_ms)
        best = reply["matches"][0]
        name = PurePosixPath(best["uri"] or "").name
        return cls(best["title"] or name, name, best["offset_s"], best["confidence"], round_trip_ms)


def draw_trials(seed: int, known: Sequence[Song], unknown: Sequence[Song]) -> list[Trial]:
    """Every condition asked of a song drawn at random (each song once before any comes twice), at a random place."""
    rng = np.random.default_rng([seed, 20])
    order = [known[int(index)] for index in rng.permutation(len(known))]
    asked = [(*question, order[number % len(order)], True) for number, question in enumerate(ASKED)]
    asked += [(*question, song, False) for question, song in zip(ASKED_OF_UNKNOWN, unknown, strict=False)]
    trials = []
    for number, (name, clip_s, song, is_known) in enumerate(asked):
        condition = CONDITIONS[name]
        latest_s = song.duration_s - MARGIN_S - condition.source_s(clip_s)
        offset_s = round(float(rng.uniform(MARGIN_S, latest_s)), 2)
        form = CLIP_FORMATS[number % len(CLIP_FORMATS)]
        trials.append(Trial(song, is_known, condition, offset_s, clip_s, form))
    return trials


def cut(trial: Trial, number: int, songs: Path, clips: Path) -> Path:
    """Cuts the clip from the song's file, spoils it and writes it as its own file."""
    track = read(songs / trial.song.file_name, SAMPLE_RATE)
    rng = np.random.default_rng([trial.song.seed, number])
    clip = trial.condition.clip(track, trial.offset_s, trial.clip_s, rng, SAMPLE_RATE)
    clip /= max(1.0, float(np.abs(clip).max()))
    return write(clips / trial.file_name(number), clip, SAMPLE_RATE, form=FORMATS[trial.form])


def offset_error_s(trial: Trial, answer: Answer) -> float | None:
    """How far the answer's place is from the true one; None where there is nothing to compare."""
    if answer.offset_s is None or not trial.known:
        return None
    return answer.offset_s - trial.offset_s


def fault(trial: Trial, answer: Answer) -> str | None:
    """What is wrong with the answer; None when it is right."""
    if not trial.known:
        return "should not be known" if answer.title is not None else None
    if answer.title is None:
        return "not recognised"
    if answer.file_name != trial.song.file_name:
        return "wrong track"
    error_s = offset_error_s(trial, answer)
    return "wrong place" if error_s is None or abs(error_s) > OFFSET_TOLERANCE_S else None
