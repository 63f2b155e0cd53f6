"""Spoilt clips whose place is known.

The same recordings and moments are asked about under every condition, so that conditions are compared on equal clips.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint import SAMPLE_RATE, Embeddings
from ingest.fingerprint.pcm import to_float, to_int16
from scripts.evaluation.conditions import FASTEST, Surroundings, drawn
from scripts.evaluation.folds import Collection
from scripts.spoil import Condition

LEAD_S = 1.0  # of the recording that is heard before the clip: the tails in a room are its own
SPARE_S = 0.05  # at the end of a recording
ATTEMPTS = 10  # at a clip with something to be heard in it
ORDER, PLACE, SPOILING = 1, 2, 3  # streams of random numbers


@dataclass(frozen=True)
class Question:
    """A clip of `clip_s`, int16 [T]; its first sample lies at `offset_s` of track `track`."""

    track: int
    condition: Condition
    clip_s: float
    offset_s: float
    samples: np.ndarray
    query: Embeddings

    @property
    def source_s(self) -> float:
        """Seconds of the track that the clip plays."""
        return self.condition.source_s(self.clip_s)


@dataclass(frozen=True)
class Questioner:
    """Asks about the held-out tracks of a collection; everything is a function of the seed."""

    collection: Collection
    around: Surroundings
    embed: Callable[[np.ndarray], Embeddings]
    seed: int
    treat: Callable[[np.ndarray], np.ndarray] | None = None  # float32 [T] → [T], before embedding

    def questions(self, condition: str, clip_s: float, clips: int) -> Iterator[Question]:
        """Up to `clips` of them, spread over all tracks that are long enough."""
        long_enough = [
            track
            for track in self.collection.asked_about()
            if self.collection.tracks[track].duration_s >= FASTEST * clip_s + SPARE_S
        ]
        order = np.random.default_rng([self.seed, ORDER]).permutation(len(long_enough))
        for number in range(clips if long_enough else 0):
            question = self._question(long_enough[order[number % len(order)]], condition, clip_s, number)
            if question is not None:
                yield question

    def _question(self, track: int, name: str, clip_s: float, number: int) -> Question | None:
        """None where the recording is silent wherever one listens."""
        waveform = self.collection.tracks[track].waveform()
        spare_s = len(waveform) / SAMPLE_RATE - FASTEST * clip_s - SPARE_S
        place = np.random.default_rng([self.seed, PLACE, number])
        spoiling = [self.seed, SPOILING, number, round(1000 * clip_s), zlib.crc32(name.encode())]
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([*spoiling, attempt])
            condition, offset_s = drawn(name, self.around, rng), float(place.uniform(0, spare_s))
            samples = self._clip(condition, waveform, offset_s, clip_s, rng)
            query = self.embed(samples)
            if query.audible.any():
                return Question(track, condition, clip_s, offset_s, samples, query)
        return None

    def _clip(
        self, condition: Condition, waveform: np.ndarray, offset_s: float, clip_s: float, rng: np.random.Generator
    ) -> np.ndarray:
        """The clip as it arrives at the encoder, int16 [T]."""
        first = max(0, int((offset_s - FASTEST * LEAD_S) * SAMPLE_RATE))
        last = int((offset_s + condition.source_s(clip_s) + SPARE_S) * SAMPLE_RATE)
        near = to_float(waveform[first:last])
        clip = condition.clip(near, offset_s - first / SAMPLE_RATE, clip_s, rng, lead_s=LEAD_S)
        return to_int16(self.treat(clip) if self.treat else clip)
