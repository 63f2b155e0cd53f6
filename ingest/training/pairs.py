"""One training step's worth of audio: clean stretches of tracks beside spoilt clips of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from torch.utils.data import Dataset

from ingest.fingerprint.grid import EMBEDDING_HOP, SAMPLE_RATE
from ingest.training import augment
from ingest.training.augment import AugmentConfig
from ingest.training.codecs import CODECS, through_codec
from ingest.training.corpus import Corpus, stretch
from ingest.training.echoes import Echoes

NOISES = {"real": 0.42, "babble": 0.2, "music": 0.12, "events": 0.16, "coloured": 0.1}  # how often each kind
PAST_S = 1.0  # sound before the clip, so that the tail of a room is real


@dataclass
class PairConfig:
    """A step: `seconds_a_step` of clips of one of `clip_s`, surroundings counted, compared every `spacing` cells.

    Of each track drawn come `clips_a_track`, because what is most like a passage is elsewhere in the same piece;
    `echo_share` of those after the first are echoes of the one before, where echoes are known.
    """

    seconds_a_step: float = 200.0
    clip_s: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0)
    spacing: int = 2
    clips_a_track: int = 2
    echo_share: float = 0.0
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


class Place(NamedTuple):
    """Where a clip begins, in samples of a recording of the corpus; None: anywhere."""

    recording: int
    start: int | None


class Pair(NamedTuple):
    """A row of a batch, its moments in samples of its recording, and where the clip begins there."""

    clean: np.ndarray
    spoilt: np.ndarray
    clean_cells: np.ndarray
    centres: np.ndarray
    recording: int
    start: int


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
        echoes: Echoes | None = None,
    ) -> None:
        self.music, self.noises, self.rooms, self.echoes = music, noises, rooms, echoes
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
        pairs: list[Pair] = []
        for track in drawn:
            place: Place | None = None
            for _ in range(min(self.config.clips_a_track, count - len(pairs))):
                place = (self._echo(rng, pairs[-1], clip_s) if place else None) or Place(int(track), None)
                pairs.append(self._pair(rng, place, clip_s, tempo, cells))
        clean, spoilt, clean_cells = (np.stack(parts) for parts in list(zip(*pairs, strict=True))[:3])
        moments = np.stack([self.starts[pair.recording] + pair.centres for pair in pairs]) / SAMPLE_RATE
        return PairBatch(clean, spoilt, cells, clean_cells, moments, tempo)

    def _echo(self, rng: Generator, pair: Pair, clip_s: float) -> Place | None:
        """Where a clip begins whose middle is like that of the one before; None: wherever chance will have it."""
        if self.echoes is None or rng.random() >= self.config.echo_share:
            return None
        half = round(clip_s * SAMPLE_RATE / 2)
        found = self.echoes.draw(rng, pair.recording, pair.start + half)
        return Place(found[0], found[1] - half) if found else None

    def _pair(self, rng: Generator, place: Place, clip_s: float, tempo: float, cells: np.ndarray) -> Pair:
        chain = self.config.augment
        track = self.music.samples[place.recording]
        speed = 1.0
        if rng.random() < chain.speed_chance:
            speed = 2 ** (rng.uniform(-1, 1) * chain.speed_semitones / 12)
        length = round(clip_s * tempo * SAMPLE_RATE)  # samples of the clip before its bands are read at `tempo`
        source_length, heard_length = augment.resampled_lengths(length + round(PAST_S * SAMPLE_RATE), speed)
        speed = source_length / heard_length
        last = max(0, len(track) - round(length * speed) - 1)
        start = int(rng.integers(0, last + 1)) if place.start is None else int(np.clip(place.start, 0, last))
        source = stretch(track, start + round(length * speed) - source_length, source_length)
        spoilt = self._spoil(rng, augment.resample(source, heard_length))[-length:]

        before, after = self.padding
        jitter = int(rng.integers(EMBEDDING_HOP))
        longest = round(length * 2 ** (chain.speed_semitones / 12) * augment.FASTER) + 2 * EMBEDDING_HOP
        clean = stretch(track, start - jitter - before, before + longest + after)
        centres = jitter + (cells + 0.5) * EMBEDDING_HOP * tempo * speed
        clean_cells = np.round(centres / EMBEDDING_HOP - 0.5).astype(np.int64)
        padded = np.pad(spoilt, (round(before * tempo), round(after * tempo)))
        return Pair(clean, padded, clean_cells, start - jitter + centres, place.recording, start)

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
