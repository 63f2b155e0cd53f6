"""`python -m scripts.timeline catalog.path=FOLDER|CSV out=DIR`: what is heard in long mixes of known and unknown music.

Pieces of the held-out recordings are faded into each other, some played faster or slower, some talked over; the half
that the catalogue holds is known in a mix, the other half is not. The mixes are a function of the seed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields

import numpy as np

from ingest.errors import ConfigurationError
from ingest.fingerprint import SAMPLE_RATE
from scripts.document import table, write_section
from scripts.entry import run_entry
from scripts.evaluation.asking import Asker
from scripts.evaluation.folds import FOLDS, Collection
from scripts.evaluation.mixes import Mix, Mixing, Piece, mix_of
from scripts.evaluation.options import AskConfig, as_command, read_options
from scripts.evaluation.session import open_session, say
from scripts.evaluation.truth import identical
from serve.matching import Calibration
from serve.matching.timeline import Segment, Timeline
from serve.recording import windows_of, without_surroundings

STEP_S = 0.5  # between the moments that are judged
PASSAGE_S = 5.0  # compared where a segment names another place of the right track
BLOCK = 60 * SAMPLE_RATE


@dataclass
class TimelineConfig(AskConfig):
    """See conf/timeline.yaml."""

    minutes: float
    known_share: float
    piece_s: list[float]
    fade_s: list[float]
    max_speed_change: float
    gain_db: float
    talk_share: float
    talk_s: list[float]
    talk_snr_db: float
    place_tolerance_s: float
    boundary_tolerance_s: float
    window_s: float
    section: str
    write: bool

    def mixing(self) -> Mixing:
        """Raises ConfigurationError."""
        told = {field.name: getattr(self, field.name) for field in fields(Mixing)}
        for name in ("piece_s", "fade_s", "talk_s"):
            if len(told[name]) != 2 or not 0 <= told[name][0] <= told[name][1]:
                raise ConfigurationError(f"{name} must be a range like [4, 12]")
            told[name] = tuple(told[name])
        return Mixing(**told)


@dataclass(frozen=True)
class Heard:
    """What came of one mix."""

    mix: Mix
    segments: tuple[Segment, ...]
    embed_s: float  # of CPU
    match_s: float  # of CPU, searching included


@dataclass(frozen=True)
class Tally:
    """All mixes together; seconds, counts and errors in seconds."""

    known_s: float
    right_track_s: float
    right_place_s: float
    boundary_errors_s: tuple[float, ...]
    pieces: int  # known ones
    found: int
    segments: int
    false: tuple[str, ...]
    duration_s: float
    embed_s: float
    match_s: float


def main(arguments: Sequence[str]) -> int:
    return run_entry("timeline", arguments, __doc__ or "", measure)


def measure(arguments: Sequence[str]) -> None:
    """Mix, listen and tell. Raises RefrainError."""
    config, matching = read_options("timeline", arguments, TimelineConfig)
    mixing = config.mixing()
    session = open_session(config, matching, Calibration.shipped())
    heard = []
    with session.asking() as asking, closing(Asker(asking)) as asker:
        for fold in FOLDS:
            mix = mix_of(session.collection, fold, session.heard.surroundings(), mixing)
            heard.append(listen(asker, fold, mix, config.window_s))
            say(f"half {fold}: {len(heard[-1].segments)} segments in {mix.duration_s / 60:.0f} minutes")
    told = tally(heard, session.collection, config)
    body = "\n".join(_lines(config, told))
    print(body)
    if config.write:
        write_section(config.section, as_command("scripts.timeline", arguments), body)


def listen(asker: Asker, fold: int, mix: Mix, window_s: float) -> Heard:
    """As the service does, window by window."""
    timeline = Timeline(
        asker.catalogue(fold, asker.vectors), calibration=asker.asking.calibration, matching=asker.settings
    )
    segments: list[Segment] = []
    embed_s = match_s = 0.0
    blocks = (mix.samples[start : start + BLOCK] for start in range(0, len(mix.samples), BLOCK))
    for window in windows_of(blocks, window_s):
        started = time.process_time()
        embedded = without_surroundings(asker.embed(window))
        between = time.process_time()
        segments += timeline.hear(embedded)
        embed_s, match_s = embed_s + between - started, match_s + time.process_time() - between
    started = time.process_time()
    segments += timeline.end()
    return Heard(mix, tuple(segments), embed_s, match_s + time.process_time() - started)


def tally(heard: Sequence[Heard], collection: Collection, config: TimelineConfig) -> Tally:
    """Every known piece beside what was told of it, and every segment beside what was played."""
    known = [(one, piece) for one in heard for piece in one.mix.pieces if piece.known]
    judged = [judge_piece(one, piece, collection, config) for one, piece in known]
    false = [
        f"{_clock(segment.start_s)} to {_clock(segment.end_s)}: {collection.name_of(segment.recording_id)}, "
        f"confidence {segment.confidence:.2f}"
        for one in heard
        for segment in one.segments
        if not any(_plays(segment, piece) for piece in one.mix.pieces)
    ]
    return Tally(
        known_s=sum(piece.end_s - piece.start_s for _, piece in known),
        right_track_s=STEP_S * sum(right.sum() for right, _, _ in judged),
        right_place_s=STEP_S * sum(place.sum() for _, place, _ in judged),
        boundary_errors_s=tuple(error for _, _, errors in judged for error in errors),
        pieces=len(known),
        found=sum(bool(errors) for _, _, errors in judged),
        segments=sum(len(one.segments) for one in heard),
        false=tuple(false),
        duration_s=sum(one.mix.duration_s for one in heard),
        embed_s=sum(one.embed_s for one in heard),
        match_s=sum(one.match_s for one in heard),
    )


def judge_piece(
    heard: Heard, piece: Piece, collection: Collection, config: TimelineConfig
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """At moments STEP_S apart, whether the track told is right, and the place; how far off both boundaries are."""
    moments_s = np.arange(piece.start_s + STEP_S / 2, piece.end_s, STEP_S)
    right, place = np.zeros(len(moments_s), np.bool_), np.zeros(len(moments_s), np.bool_)
    own = [segment for segment in heard.segments if _plays(segment, piece)]
    for segment in own:
        inside = (moments_s >= segment.start_s) & (moments_s < segment.end_s)
        right |= inside
        place |= inside & _in_place(segment, piece, moments_s, collection, config)
    if not own:
        return right, place, []
    errors = [min(one.start_s for one in own) - piece.start_s, max(one.end_s for one in own) - piece.end_s]
    return right, place, errors


def _plays(segment: Segment, piece: Piece) -> bool:
    """Whether the segment is of the piece: names its recording, and lies mostly in its time."""
    overlap_s = min(segment.end_s, piece.end_s) - max(segment.start_s, piece.start_s)
    named = (segment.recording_id, *segment.same_recording)
    return piece.known and piece.track + 1 in named and overlap_s > (segment.end_s - segment.start_s) / 2


def _in_place(
    segment: Segment, piece: Piece, moments_s: np.ndarray, collection: Collection, config: TimelineConfig
) -> np.ndarray:
    """Whether the place is right, or one where the same is heard."""
    if segment.recording_id != piece.track + 1:
        return np.ones(len(moments_s), np.bool_)  # called the same recording: its own times
    truth_s = piece.offset_s + piece.speed * (moments_s - piece.start_s)
    slope = (segment.track_end_s - segment.track_start_s) / (segment.end_s - segment.start_s)
    told_s = segment.track_start_s + slope * (moments_s - segment.start_s)
    near = np.abs(told_s - truth_s) <= config.place_tolerance_s
    middle = len(moments_s) // 2
    waveform = collection.tracks[piece.track].waveform()
    repeated = not near[middle] and identical(
        waveform, float(truth_s[middle]), float(told_s[middle]), PASSAGE_S, config.place_tolerance_s
    )
    return near | repeated


def _lines(config: TimelineConfig, told: Tally) -> Iterator[str]:
    errors = np.abs(told.boundary_errors_s) if told.boundary_errors_s else np.full(1, np.nan)
    within = float(np.mean(errors <= config.boundary_tolerance_s))
    yield (
        f"{len(FOLDS)} mixes, {told.duration_s / 60:.0f} minutes together, {told.pieces} pieces of known recordings "
        f"among unknown ones; fades of {config.fade_s[0]:g} to {config.fade_s[1]:g} s, speeds within "
        f"±{100 * config.max_speed_change:g} %, {100 * config.talk_share:g} % of the pieces talked over at "
        f"{config.talk_snr_db:g} dB. A boundary is the middle of its fade; CPU without decoding."
    )
    yield ""
    rows = [
        ["known time, right track", f"{100 * told.right_track_s / told.known_s:.1f} %"],
        ["known time, right track and place", f"{100 * told.right_place_s / told.known_s:.1f} %"],
        ["known pieces found", f"{told.found} of {told.pieces}"],
        ["boundary error, median / 90 %", f"{np.median(errors):.2f} s / {np.quantile(errors, 0.9):.2f} s"],
        [f"boundaries within {config.boundary_tolerance_s:g} s", f"{100 * within:.1f} %"],
        ["segments, of them false", f"{told.segments}, {len(told.false)}"],
        ["× real time a core: embedding", f"{told.duration_s / told.embed_s:.0f}"],
        ["× real time a core: search and match", f"{told.duration_s / told.match_s:.0f}"],
        ["× real time a core: both", f"{told.duration_s / (told.embed_s + told.match_s):.0f}"],
    ]
    yield from table(["measure", "value"], iter(rows))
    if told.false:
        yield from ("", "False segments:", "", *(f"- {line}" for line in told.false))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
