"""Melodies as files and as collections, and outcomes by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ingest.fingerprint.pcm import to_int16
from scripts.evaluation.folds import Collection
from scripts.evaluation.outcomes import Outcome
from scripts.evaluation.tracks import EvaluatedTrack
from serve.matching import Features
from tests.fingerprint.signals import float_wav, melody

SONGS, SONG_S = 6, 9.0


def write_music(folder: Path) -> Path:
    for number in range(SONGS):
        (folder / f"song-{number}.wav").write_bytes(float_wav(melody(SONG_S, number)))
    (folder / "bad.wav").write_text("no sound")
    return folder


def collection(folder: Path, waveforms: Sequence[np.ndarray], halves: tuple[int, int]) -> Collection:
    """Tracks of these float32 waveforms [T], with nothing stored."""
    tracks = []
    for number, waveform in enumerate(waveforms):
        audio = folder / f"{number}.npy"
        np.save(audio, to_int16(waveform))
        tracks.append(EvaluatedTrack(f"track {number}", str(number), True, len(waveform), 0, audio, folder / "none"))
    return Collection(tuple(tracks), halves)


def features(score: float, clip_s: float = 3.0) -> Features:
    return Features(
        score=score,
        contrast=score,
        agreement=0.5,
        lead=score,
        evidence=score,
        peak_evidence=1.0,
        log_pairs=1.0,
        coverage=1.0,
        audible=1.0,
        hurried=0.0,
        detuned=0.0,
        log_clip_s=float(np.log(clip_s)),
        retuned=0.0,
    )


def outcome(
    score: float | None,
    *,
    fold: int = 0,
    known: bool = True,
    right: bool = True,
    place: bool = True,
    rank: int = 1,
    condition: str = "clean",
    clip_s: float = 3.0,
    answer: str = "b",
) -> Outcome:
    """With a candidate of this score, or without one."""
    return Outcome(
        condition=condition,
        clip_s=clip_s,
        distractors=0,
        fold=fold,
        track="a",
        known=known,
        offset_s=1.0,
        speed=1.0,
        pitch_semitones=0.0,
        answer=answer,
        answer_offset_s=2.0,
        rank=rank,
        right_track=right,
        right_place=right and place,
        features=None if score is None else features(score, clip_s),
        searched=8,
        embed_ms=1.0,
        search_ms=2.0,
        match_ms=3.0,
    )
