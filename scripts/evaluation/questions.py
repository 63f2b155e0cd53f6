"""Spoilt clips whose place is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.fingerprint import SAMPLE_RATE, Embeddings
from ingest.fingerprint.pcm import to_float, to_int16
from scripts.evaluation.tracks import EvaluatedTrack
from scripts.spoil import Condition


@dataclass(frozen=True)
class Question:
    """A clip of `clip_s` seconds under a condition; its first sample lies at `offset_s` of track `track`."""

    track: int
    condition: Condition
    clip_s: float
    offset_s: float
    query: Embeddings


def ask(
    tracks: Sequence[EvaluatedTrack],
    conditions: Sequence[tuple[Condition, float]],
    clips_a_track: int,
    embed: Callable[[np.ndarray], Embeddings],
    seed: int,
) -> Iterator[Question]:
    """`clips_a_track` audible clips of every held-out track, under each (condition, seconds); a function of `seed`."""
    for condition, clip_s in conditions:
        for index, track in enumerate(tracks):
            if not track.held_out:
                continue
            rng = np.random.default_rng((seed, index, round(clip_s * 1000)))
            for _ in range(clips_a_track):
                yield from _clip(index, track, condition, clip_s, embed, rng)


def _clip(
    index: int,
    track: EvaluatedTrack,
    condition: Condition,
    clip_s: float,
    embed: Callable[[np.ndarray], Embeddings],
    rng: np.random.Generator,
) -> Iterator[Question]:
    waveform = track.waveform()
    spare_s = len(waveform) / SAMPLE_RATE - condition.source_s(clip_s) - 0.01
    if spare_s < 0:
        return
    offset_s = float(rng.uniform(0, spare_s))
    clip = condition.clip(waveform, offset_s, clip_s, rng)
    query = embed(to_float(to_int16(clip)))
    if query.audible.any():
        yield Question(index, condition, clip_s, offset_s, query)
