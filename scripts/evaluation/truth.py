"""Whether an answer is right: the track, and the place in it or where else the same passage is heard to the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import correlate

from ingest.fingerprint import SAMPLE_RATE
from ingest.fingerprint.pcm import to_float
from scripts.evaluation.folds import Collection
from scripts.evaluation.questions import Question
from serve.matching import Match

IDENTICAL = 0.95  # normalised correlation of two passages' waveforms


@dataclass(frozen=True)
class Verdict:
    """`place` says more than `track`: a hit."""

    track: bool
    place: bool


def verdict(question: Question, match: Match, collection: Collection, tolerance_s: float) -> Verdict:
    """A track is right if it is the clip's, is said to be the same, or holds the passage where the answer says.

    A place is right within `tolerance_s` of the truth or, give or take as much, where the passage is repeated.
    """
    own = match.recording_id == question.track + 1
    if own and abs(match.offset_s - question.offset_s) <= tolerance_s:
        return Verdict(track=True, place=True)
    if match.recording_id > len(collection.tracks):
        return Verdict(track=False, place=False)  # a simulated track
    passage = _passage(collection.tracks[question.track].waveform(), question.offset_s, question.source_s)
    answered = collection.tracks[match.recording_id - 1].waveform()
    same = holds(answered, passage, match.offset_s, tolerance_s)
    return Verdict(own or same or question.track + 1 in match.same_recording, same)


def rank_of_truth(question: Question, matches: Sequence[Match]) -> int:
    """Where the clip's own track stands, from 1; 0 where it is absent."""
    own = question.track + 1
    for rank, match in enumerate(matches, 1):
        if own in (match.recording_id, *match.same_recording):
            return rank
    return 0


def identical(samples: np.ndarray, first_s: float, second_s: float, length_s: float, tolerance_s: float) -> bool:
    """Whether [first, first + length] of a waveform [T] occurs again at second ± tolerance."""
    return holds(samples, _passage(samples, first_s, length_s), second_s, tolerance_s)


def holds(samples: np.ndarray, passage: np.ndarray, at_s: float, tolerance_s: float) -> bool:
    """Whether a passage [P] is heard in a waveform [T] at `at_s` ± tolerance, louder or quieter."""
    around = _passage(samples, at_s - tolerance_s, len(passage) / SAMPLE_RATE + 2 * tolerance_s)
    if len(passage) == 0 or len(around) < len(passage):
        return False
    correlation = correlate(around, passage, mode="valid", method="fft")
    energy = np.concatenate([[0.0], np.cumsum(np.square(around, dtype=np.float64))])
    norms = np.sqrt((energy[len(passage) :] - energy[: -len(passage)]) * np.sum(np.square(passage, dtype=np.float64)))
    return bool(np.max(correlation / np.maximum(norms, 1e-9)) > IDENTICAL)


def _passage(samples: np.ndarray, start_s: float, length_s: float) -> np.ndarray:
    start = max(0, round(start_s * SAMPLE_RATE))
    return to_float(samples[start : start + round(length_s * SAMPLE_RATE)])
