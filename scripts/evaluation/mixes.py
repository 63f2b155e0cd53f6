"""Long mixes whose content is known to the second: pieces of recordings, faded into each other, some talked over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint import SAMPLE_RATE
from ingest.fingerprint.pcm import to_float
from scripts.evaluation.conditions import Surroundings
from scripts.evaluation.folds import Collection
from scripts.spoil import Speed
from scripts.spoil.effects import add_noise

ORDER, PIECES = 1, 2  # streams of random numbers
LOUDEST = 0.9


@dataclass(frozen=True)
class Mixing:
    """How mixes are made: see conf/timeline.yaml."""

    minutes: float
    known_share: float
    piece_s: tuple[float, float]
    fade_s: tuple[float, float]
    max_speed_change: float
    gain_db: float
    talk_share: float
    talk_s: tuple[float, float]
    talk_snr_db: float
    seed: int


@dataclass(frozen=True)
class Piece:
    """Track `track` from `offset_s` on, heard from start to end of the mix: from the middle of one fade to the next."""

    track: int
    known: bool
    start_s: float
    end_s: float
    offset_s: float  # of the track, at start_s
    speed: float


@dataclass(frozen=True)
class Mix:
    """samples: float32 [T]."""

    samples: np.ndarray
    pieces: tuple[Piece, ...]

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def mix_of(collection: Collection, fold: int, around: Surroundings, mixing: Mixing) -> Mix:
    """Half `fold` is known in it, the other half is not; all is a function of the seed."""
    rng = np.random.default_rng([mixing.seed, PIECES, fold])
    halves = [[track for track in collection.asked_about() if collection.half(track) == half] for half in (0, 1)]
    known, unknown = _endless(halves[fold], mixing, fold), _endless(halves[1 - fold], mixing, fold)
    samples, pieces = np.zeros(0, np.float32), list[Piece]()
    fade = 0
    while len(samples) < mixing.minutes * 60 * SAMPLE_RATE:
        is_known = bool(rng.random() < mixing.known_share)
        track = next(known if is_known else unknown)
        sound, offset_s, speed = _played(collection.tracks[track].waveform(), around, mixing, rng)
        fade_out = round(float(rng.uniform(*mixing.fade_s)) * SAMPLE_RATE)
        start = len(samples) - fade
        samples = _faded(samples, sound, fade)
        start_s, end_s = (start + fade / 2) / SAMPLE_RATE, (len(samples) - fade_out / 2) / SAMPLE_RATE
        pieces.append(Piece(track, is_known, start_s, end_s, offset_s + speed * fade / 2 / SAMPLE_RATE, speed))
        fade = fade_out
    samples *= np.float32(LOUDEST / max(1e-9, float(np.abs(samples).max())))
    return Mix(samples, tuple(pieces))


def _endless(tracks: Sequence[int], mixing: Mixing, fold: int) -> Iterator[int]:
    """All in a random order, then in another, …"""
    rng = np.random.default_rng([mixing.seed, ORDER, fold, len(tracks)])
    while True:
        yield from (tracks[place] for place in rng.permutation(len(tracks)))


def _played(
    waveform: np.ndarray, around: Surroundings, mixing: Mixing, rng: np.random.Generator
) -> tuple[np.ndarray, float, float]:
    """A piece of a recording [T] as it sounds, the place in the recording that it begins at, and its speed."""
    whole_s = len(waveform) / SAMPLE_RATE
    length_s = min(whole_s, float(rng.uniform(*mixing.piece_s)))
    offset_s = float(rng.uniform(0, whole_s - length_s))
    speed = float(np.exp(rng.uniform(-1, 1) * mixing.max_speed_change))
    first = round(offset_s * SAMPLE_RATE)
    sound = Speed(speed)(to_float(waveform[first : first + round(length_s * SAMPLE_RATE)]), SAMPLE_RATE, rng)
    if rng.random() < mixing.talk_share:
        sound = _talked_over(sound, around, mixing, rng)
    gain = 10 ** (float(rng.uniform(-1, 1)) * mixing.gain_db / 20)
    level = 0.1 / max(1e-6, float(np.sqrt(np.mean(np.square(sound)))))
    return np.float32(gain * level) * sound, first / SAMPLE_RATE, speed


def _talked_over(sound: np.ndarray, around: Surroundings, mixing: Mixing, rng: np.random.Generator) -> np.ndarray:
    length = min(len(sound), round(float(rng.uniform(*mixing.talk_s)) * SAMPLE_RATE))
    start = int(rng.integers(len(sound) - length + 1))
    here = sound[start : start + length]
    if around.speech is None:
        talk = around.babble_at(mixing.talk_snr_db)(here, SAMPLE_RATE, rng)
    else:
        talk = add_noise(here, around.speech.excerpt(length, rng), mixing.talk_snr_db)
    return np.concatenate([sound[:start], talk, sound[start + length :]])


def _faded(samples: np.ndarray, sound: np.ndarray, fade: int) -> np.ndarray:
    """One after the other, the last `fade` samples of the first under the first ones of the second."""
    fade = min(fade, len(samples), len(sound))
    rising = np.linspace(0, 1, fade, dtype=np.float32)
    between = samples[len(samples) - fade :] * (1 - rising) + sound[:fade] * rising
    return np.concatenate([samples[: len(samples) - fade], between, sound[fade:]]).astype(np.float32)
