"""One training step's worth of audio: clean stretches of tracks beside spoilt clips of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from torch.utils.data import Dataset

from ingest.fingerprint.grid import EMBEDDING_HOP, SAMPLE_RATE
from ingest.fingerprint.pcm import to_float
from ingest.training import augment
from ingest.training.augment import AugmentConfig
from ingest.training.codecs import CODECS, through_codec
from ingest.training.corpus import Corpus

NOISES = {"real": 0.42, "babble": 0.2, "music": 0.12, "events": 0.16, "coloured": 0.1}  # how often each kind
PAST_S = 1.0  # sound before the clip, so that the tail of a room is real


@dataclass
class PairConfig:
    """A step: `seconds_a_step` of clips of one of `clip_s`, surroundings counted, compared every `spacing` cells.

    Of each track drawn come `clips_a_track`: what is most like a passage is elsewhere in the same piece.
    """

    seconds_a_step: float = 200.0
    clip_s: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0)
    spacing: int = 2
    clips_a_track: int = 2
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True)
class PairBatch:
    """clean float32 [B, Tc]: tracks with their true surroundings. spoilt float32 [B, Tq]: clips, silent outside.

    `cells` int64 [P] are embeddings of a spoilt clip; `clean_cells` int64 [B, P] the embeddings of the clean stretch
    that describe the same moment. `moments` float64 [B, P] are those moments, in seconds of all recordings laid end to
    end. `tempo` is how much slower the spoilt bands have to be read.
    """

    clean: np.ndarray
    spoilt: np.ndarray
    cells: np.ndarray
    clean_cells: np.ndarray
    moments: np.ndarray
    tempo: float


class PairDataset(Dataset[PairBatch]):
    """Item k is the batch of step k, a function of (seed, k) alone: a resumed run sees what an unbroken one would."""

    def __init__(
        self,
        music: Corpus,
        noises: Corpus,
        rooms: Corpus,
        config: PairConfig,
        *,
        padding: tuple[int, int],
        seed: int,
        steps: int,
    ) -> None:
        self.music, self.noises, self.rooms = music, noises, rooms
        self.config, self.padding, self.seed, self.steps = config, padding, seed, steps
        self.speech = noises.only(i for i, name in enumerate(noises.names) if "speech" in name)
        self.weights = np.array([len(x) for x in music.samples], float)
        self.starts = np.cumsum(self.weights) - self.weights  # of each recording, in samples, laid end to end
        self.weights /= self.weights.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> PairBatch:
        rng = np.random.default_rng((self.seed, step))
        chain = self.config.augment
        clip_s = float(rng.choice(self.config.clip_s))
        tempo = 1.0
        if rng.random() < chain.tempo_chance:
            tempo = float(np.exp(rng.uniform(-1, 1) * np.log(chain.tempo_range)))
        count = int(self.config.seconds_a_step / (clip_s + sum(self.padding) / SAMPLE_RATE))
        cells = np.arange(
            int(rng.integers(self.config.spacing)),
            int(clip_s * SAMPLE_RATE) // EMBEDDING_HOP,
            self.config.spacing,
        )
        drawn = rng.choice(len(self.music.samples), size=-(-count // self.config.clips_a_track), p=self.weights)
        tracks = np.repeat(drawn, self.config.clips_a_track)[:count]
        clips = [self._pair(rng, self.music.samples[track], clip_s, tempo, cells) for track in tracks]
        clean, spoilt, clean_cells, centres = (np.stack(parts) for parts in zip(*clips, strict=True))
        moments = (self.starts[tracks, None] + centres) / SAMPLE_RATE
        return PairBatch(clean, spoilt, cells, clean_cells, moments, tempo)

    def _pair(
        self, rng: Generator, track: np.ndarray, clip_s: float, tempo: float, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        chain = self.config.augment
        speed = 1.0
        if rng.random() < chain.speed_chance:
            speed = 2 ** (rng.uniform(-1, 1) * chain.speed_semitones / 12)
        length = round(clip_s * tempo * SAMPLE_RATE)  # samples of the clip before its bands are read at `tempo`
        source_length, heard_length = augment.resampled_lengths(length + round(PAST_S * SAMPLE_RATE), speed)
        speed = source_length / heard_length
        start = int(rng.integers(0, max(1, len(track) - round(length * speed))))
        source = stretch(track, start + round(length * speed) - source_length, source_length)
        spoilt = self._spoil(rng, augment.resample(source, heard_length))[-length:]

        before, after = self.padding
        jitter = int(rng.integers(EMBEDDING_HOP))
        longest = round(length * 2 ** (chain.speed_semitones / 12)) + 2 * EMBEDDING_HOP
        clean = stretch(track, start - jitter - before, before + longest + after)
        centres = jitter + (cells + 0.5) * EMBEDDING_HOP * tempo * speed
        clean_cells = np.round(centres / EMBEDDING_HOP - 0.5).astype(np.int64)
        padded = np.pad(spoilt, (round(before * tempo), round(after * tempo)))
        return clean, padded, clean_cells, start - jitter + centres

    def _spoil(self, rng: Generator, x: np.ndarray) -> np.ndarray:
        chain = self.config.augment
        if rng.random() < chain.room_chance:
            measured = rng.random() < chain.measured_room_share and len(self.rooms.samples) > 0
            response = self._measured_room(rng) if measured else augment.synthetic_room(rng)
            x = augment.in_room(x, response)
        if rng.random() < chain.noise_chance:
            x = self._noisy(rng, x)
        if rng.random() < chain.microphone_chance:
            x = augment.filtered(x, augment.microphone(rng))
        if rng.random() < chain.overload_chance:
            x = augment.overloaded(x, rng)
        if rng.random() < chain.codec_chance:
            codec = CODECS[rng.integers(len(CODECS))]
            x = through_codec(x, codec, int(rng.choice(codec.bit_rates)))
        target = 0.2 * 10 ** (rng.uniform(*chain.gain_db) / 20)
        return np.asarray(np.clip(x / (augment.rms(x) + 1e-4) * target, -1, 1), np.float32)

    def _noisy(self, rng: Generator, x: np.ndarray) -> np.ndarray:
        kind = str(rng.choice(list(NOISES), p=list(NOISES.values())))
        chain = self.config.augment
        snr_db = rng.uniform(*(chain.music_snr_db if kind == "music" else chain.snr_db))
        return augment.mixed(x, self._noise(rng, kind, len(x)), snr_db)

    def _noise(self, rng: Generator, kind: str, length: int) -> np.ndarray:
        if kind == "coloured":
            return augment.coloured_noise(rng, length)
        if kind == "events":
            return augment.noise_events(rng, length)
        if kind == "music":
            return self._excerpt(rng, self.music, length)
        parts = int(rng.integers(4, 7)) if kind == "babble" else int(rng.integers(1, 3))
        source = self.speech if kind == "babble" and self.speech.samples else self.noises
        out = np.zeros(length, np.float32)
        for _ in range(parts):
            excerpt = self._excerpt(rng, source, length)
            out += excerpt / augment.rms(excerpt) * 10 ** (rng.uniform(-6, 0) / 20)
        return augment.filtered(out, augment.microphone(rng)) if rng.random() < 0.5 else out

    def _excerpt(self, rng: Generator, corpus: Corpus, length: int) -> np.ndarray:
        """A stretch of a random recording, played up to a third slower or faster, repeated if it is too short."""
        samples = corpus.samples[rng.integers(len(corpus.samples))]
        rate = rng.uniform(0.75, 1.33)
        needed, played = augment.resampled_lengths(length, rate)
        if len(samples) < needed:
            samples = np.tile(samples, needed // len(samples) + 1)
        start = int(rng.integers(0, len(samples) - needed + 1))
        return augment.resample(stretch(samples, start, needed), played)[:length]

    def _measured_room(self, rng: Generator) -> np.ndarray:
        response = self.rooms.samples[rng.integers(len(self.rooms.samples))]
        return response.astype(np.float32) / (np.linalg.norm(response.astype(np.float32)) + 1e-9)


def stretch(samples: np.ndarray, start: int, length: int) -> np.ndarray:
    """float32 [length] of int16 samples from `start`, which may lie outside: zeros stand there."""
    out = np.zeros(length, np.float32)
    first, last = max(0, start), min(len(samples), start + length)
    if first < last:
        out[first - start : last - start] = to_float(samples[first:last])
    return out
