"""Lines scored on a stretch, where their course leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from serve.matching.contract import Ints, Rows
from serve.matching.rescoring import Alignment, line_keys, rescore
from serve.matching.settings import MatcherSettings
from serve.matching.timeline.line import Line
from serve.matching.timeline.settings import TimelineSettings
from serve.matching.timeline.tape import Stretch, Tape
from serve.matching.voting import Lines

Fetch = Callable[[Ints], Rows]


def follow(
    lines: Sequence[Line], stretch: Stretch, fetch: Fetch, matching: MatcherSettings, settings: TimelineSettings
) -> dict[int, Alignment]:
    """By line number, what is found near the course of each line; nothing for one that has nothing stored there."""
    if not lines or not stretch.audible.any():
        return {}
    predicted = [line.predicted(stretch.middle_s, settings) for line in lines]
    there = Lines(
        recordings=np.array([line.recording_id for line in lines], np.int64),
        anchors_s=np.array([track_s for track_s, _ in predicted], np.float64),
        speeds=np.array([speed for _, speed in predicted], np.float64),
        votes=np.zeros(len(lines)),
        spacing=settings.speed_drift,
    )
    narrow = replace(matching, offset_window_s=settings.follow_window_s)
    rows = fetch(line_keys(stretch, there, narrow))
    found = rescore(stretch, 1.0, there, rows, narrow)
    return _assigned(lines, [track_s for track_s, _ in predicted], found, stretch)


def _assigned(
    lines: Sequence[Line], predicted_s: Sequence[float], found: Sequence[Alignment], stretch: Stretch
) -> dict[int, Alignment]:
    """Each line's own alignment: `found` is in the order of the lines, those that have nothing stored left out."""
    assigned = {}
    rest = list(found)
    for line, track_s in zip(lines, predicted_s, strict=True):
        if rest and rest[0].recording_id == line.recording_id and abs(middle_s(rest[0], stretch) - track_s) < 1.0:
            assigned[line.number] = rest.pop(0)
    return assigned


def middle_s(aligned: Alignment, stretch: Stretch) -> float:
    """Time of the track in the middle of the stretch."""
    return aligned.offset_s + aligned.slope * stretch.length_s / 2


def trace_back(
    lines: Sequence[Line], hop: int, tape: Tape, fetch: Fetch, matching: MatcherSettings, settings: TimelineSettings
) -> None:
    """Follow new lines from before a hop back to where they began, or the tape does."""
    size = settings.hop
    going = list(lines)
    for earlier in range(hop - 1, -1, -1):
        if not going or earlier * size < tape.first:
            return
        stretch = tape.stretch(earlier * size, (earlier + 2) * size)
        aligned = follow(going, stretch, fetch, matching, settings)
        for line in going:
            line.note(stretch, aligned.get(line.number), [earlier], settings)
        going = [line for line in going if _began_s(line, settings) - earlier * settings.hop_s <= settings.bridge_s]


def _began_s(line: Line, settings: TimelineSettings) -> float:
    intervals = line.intervals(settings)
    return intervals[0].start_s if intervals else min(fit.at_s for fit in line.fits)
