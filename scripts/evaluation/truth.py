"""Whether an answer is right: the track, and the place in it or a repeat of the passage that sounds the same."""

from __future__ import annotations

import numpy as np
from scipy.signal import correlate

from ingest.fingerprint import SAMPLE_RATE
from scripts.evaluation.questions import Question
from scripts.evaluation.tracks import EvaluatedTrack
from serve.matching import Match

IDENTICAL = 0.95  # normalised correlation of two passages' waveforms


def right_track(question: Question, match: Match) -> bool:
    """The track is the answer, or one of the recordings that the answer says are the same."""
    return question.track + 1 in (match.recording_id, *match.same_recording)


def right_place(question: Question, match: Match, track: EvaluatedTrack, tolerance_s: float) -> bool:
    """Within `tolerance_s` of the truth, or (give or take as much) at a repeat of the passage to the sample."""
    if match.recording_id != question.track + 1:
        return right_track(question, match)  # a twin's own clock
    if abs(match.offset_s - question.offset_s) <= tolerance_s:
        return True
    length_s = question.condition.source_s(question.clip_s)
    return identical(track.waveform(), question.offset_s, match.offset_s, length_s, tolerance_s)


def identical(samples: np.ndarray, first_s: float, second_s: float, length_s: float, tolerance_s: float) -> bool:
    """Whether [first, first + length] of a waveform [T] occurs again at second ± tolerance."""
    first = _passage(samples, first_s, length_s)
    around = _passage(samples, second_s - tolerance_s, length_s + 2 * tolerance_s)
    if len(first) == 0 or len(around) < len(first):
        return False
    correlation = correlate(around, first, mode="valid", method="fft")
    energy = np.concatenate([[0.0], np.cumsum(np.square(around, dtype=np.float64))])
    norms = np.sqrt((energy[len(first) :] - energy[: -len(first)]) * np.sum(np.square(first, dtype=np.float64)))
    return bool(np.max(correlation / np.maximum(norms, 1e-9)) > IDENTICAL)


def _passage(samples: np.ndarray, start_s: float, length_s: float) -> np.ndarray:
    start = max(0, round(start_s * SAMPLE_RATE))
    return samples[start : start + round(length_s * SAMPLE_RATE)]
