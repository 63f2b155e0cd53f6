"""Lines that claim the same time: which of them has it.

The stronger claim has it. Two that meet are parted where the one becomes clearer than the other, and may overlap there
by a crossfade. A line that is not heard itself while another is gives that time away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from serve.matching.timeline.evidence import gains_s, heard_intervals
from serve.matching.timeline.line import Line
from serve.matching.timeline.settings import TimelineSettings

Same = Callable[[Line, Line], bool]


@dataclass(frozen=True)
class Claim:
    """A line from its first moment heard to its last."""

    line: Line
    start_s: float
    end_s: float
    heard_s: float
    contrast: float  # mean
    score: float  # mean cosine
    confidence: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def weight(self) -> float:
        return self.heard_s * self.contrast

    def overlap_s(self, other: Claim) -> float:
        return min(self.end_s, other.end_s) - max(self.start_s, other.start_s)


@dataclass(frozen=True)
class Sound:
    """A stretch of a recording of the catalogue, and where it lies in the recording sent."""

    recording_id: int
    start_s: float
    end_s: float
    track_start_s: float
    track_end_s: float
    score: float  # mean cosine
    confidence: float  # probability that the recording is heard there
    speed: float
    pitch_semitones: float


@dataclass(frozen=True)
class Segment(Sound):
    """What is heard from `start_s` to `end_s`, and what else it could be."""

    same_recording: tuple[int, ...]  # other recording ids with the same content there
    alternatives: tuple[Sound, ...]  # weaker, different ones


@dataclass
class Holding:
    """A claim, the parts of it that it keeps, and the claims that gave way to it."""

    claim: Claim
    parts: list[Claim]
    same: list[Claim] = field(default_factory=list)
    others: list[Claim] = field(default_factory=list)


def claims_of(line: Line, from_s: float, to_s: float, settings: TimelineSettings) -> list[Claim]:
    """What a line claims between two times; it is believed for all the time in which it is heard."""
    found = []
    for one in line.intervals(settings):
        confidence = float(1 / (1 + np.exp(-line.total_log_odds(one.start_s, one.end_s, settings))))
        found.append(claim_in(line, max(one.start_s, from_s), min(one.end_s, to_s), confidence, settings))
    return [claim for claim in found if claim is not None]


def claim_in(line: Line, start_s: float, end_s: float, confidence: float, settings: TimelineSettings) -> Claim | None:
    """What the line claims between two times; None where it is not heard, or too short."""
    pairs = line.all_pairs().within(start_s, max(start_s, end_s))
    heard = heard_intervals(pairs, line.usual_contrast, settings)
    if not heard:
        return None
    start_s, end_s = max(start_s, heard[0].start_s), min(end_s, heard[-1].end_s)
    if end_s - start_s < settings.min_s:
        return None
    inside = pairs.within(start_s, end_s)
    return Claim(
        line=line,
        start_s=start_s,
        end_s=end_s,
        heard_s=sum(one.heard_s for one in heard),
        contrast=float(inside.contrasts.mean()),
        score=float(inside.cosines.mean()),
        confidence=confidence,
    )


def settled(claims: Iterable[Claim], same: Same, settings: TimelineSettings) -> list[Holding]:
    """Who has which time, the strongest first. Claims that are not believed hold nothing."""
    holdings: list[Holding] = []
    doubtful = []
    for claim in sorted(claims, key=lambda one: (-one.weight, one.start_s, one.line.number)):
        if claim.confidence < settings.min_confidence:
            doubtful.append(claim)
        elif twin := _twin(claim, holdings, same, settings):
            _join(twin, claim)
        else:
            _settle(claim, holdings, same, settings)
    for claim in doubtful:
        _give_way(claim, holdings, same)
    return holdings


def _twin(claim: Claim, holdings: Sequence[Holding], same: Same, settings: TimelineSettings) -> Holding | None:
    """Who holds the same content at the same time."""
    for holding in holdings:
        share = holding.claim.overlap_s(claim) / max(holding.claim.length_s, claim.length_s)
        if share >= settings.same_share and same(holding.claim.line, claim.line):
            return holding
    return None


def _join(twin: Holding, claim: Claim) -> None:
    """Of recordings of one content the one of the lowest track id is told."""
    if _rank(claim) < _rank(twin.claim) and len(twin.parts) == 1:
        kept = twin.parts[0]
        whole = replace(claim, start_s=max(claim.start_s, kept.start_s), end_s=min(claim.end_s, kept.end_s))
        twin.same.append(twin.claim)
        twin.claim, twin.parts = claim, [whole]
    else:
        twin.same.append(claim)


def _rank(claim: Claim) -> tuple[int, int]:
    return claim.line.track_id, claim.line.recording_id


def _settle(claim: Claim, holdings: list[Holding], same: Same, settings: TimelineSettings) -> None:
    """Give the claim what stronger ones leave of it."""
    parts = [claim]
    for holding in holdings:
        parts = [left for part in parts for left in _beside(part, holding, settings)]
    if parts:
        holdings.append(Holding(claim, sorted(parts, key=lambda part: part.start_s)))
    else:
        _give_way(claim, holdings, same)


def _give_way(claim: Claim, holdings: Sequence[Holding], same: Same) -> None:
    """Note the claim with who has most of its time."""
    overlap_s, place = max(
        ((one.overlap_s(claim), -n) for n, holding in enumerate(holdings) for one in holding.parts), default=(0.0, 0)
    )
    if overlap_s > claim.length_s / 2:
        winner = holdings[-place]
        (winner.same if same(winner.claim.line, claim.line) else winner.others).append(claim)


def _beside(claim: Claim, holding: Holding, settings: TimelineSettings) -> list[Claim]:
    """What is left of a claim beside a stronger one, which gives away what it is not heard in."""
    left = [claim]
    for held in list(holding.parts):
        left = [rest for part in left for rest in _beside_part(part, held, holding, settings)]
    return left


def _beside_part(claim: Claim, held: Claim, holding: Holding, settings: TimelineSettings) -> list[Claim]:
    overlap_s = held.overlap_s(claim)
    if overlap_s <= 0:
        return [claim]
    before_s, after_s = held.start_s - claim.start_s, claim.end_s - held.end_s
    sticks_out = max(before_s, after_s) >= settings.min_s - settings.crossfade_s
    within = claim.start_s - held.start_s >= settings.min_s and held.end_s - claim.end_s >= settings.min_s
    if within and not _heard(held.line, claim.start_s, claim.end_s, settings):
        holding.parts.remove(held)
        holding.parts += _parts(held, [(held.start_s, claim.start_s), (claim.end_s, held.end_s)], settings)
        return [claim]
    if not sticks_out:
        return []
    if before_s > 0 and after_s > 0:
        return _parts(claim, [(claim.start_s, held.start_s), (held.end_s, claim.end_s)], settings)
    if overlap_s <= settings.crossfade_s:
        return [claim]
    first, second = (claim, held) if before_s > 0 else (held, claim)
    cut_s, half_s = _crossing_s(first, second), settings.crossfade_s / 2
    ends = {id(first): (first.start_s, min(first.end_s, cut_s + half_s))}
    ends[id(second)] = (max(second.start_s, cut_s - half_s), second.end_s)
    holding.parts.remove(held)
    holding.parts += _parts(held, [ends[id(held)]], settings)
    return _parts(claim, [ends[id(claim)]], settings)


def _parts(claim: Claim, spans_s: Iterable[tuple[float, float]], settings: TimelineSettings) -> list[Claim]:
    found = (claim_in(claim.line, start_s, end_s, claim.confidence, settings) for start_s, end_s in spans_s)
    return [part for part in found if part is not None]


def _heard(line: Line, start_s: float, end_s: float, settings: TimelineSettings) -> bool:
    """Whether the line is heard in most of that time."""
    inside = line.all_pairs().within(start_s, end_s)
    return bool(gains_s(inside, line.usual_contrast, settings).sum() > 0)


def _crossing_s(first: Claim, second: Claim) -> float:
    """Where in their overlap the second becomes clearer than the first: most contrast of the first before, of the
    second after."""
    start_s, end_s = second.start_s, first.end_s
    early, late = (one.line.all_pairs().within(start_s, end_s) for one in (first, second))
    times_s = np.concatenate([early.times_s, late.times_s])
    gains = np.concatenate([early.contrasts, -late.contrasts])
    order = np.argsort(times_s, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(gains[order])])
    edges = np.concatenate([[start_s], times_s[order]])
    return float(edges[int(sums.argmax())])


def sound_of(claim: Claim, settings: TimelineSettings) -> Sound:
    """The claim as it is told."""
    line = claim.line
    track_s = [max(0.0, line.predicted(at_s, settings)[0]) for at_s in (claim.start_s, claim.end_s)]
    inside = [fit for fit in line.fits if claim.start_s <= fit.at_s <= claim.end_s] or line.fits
    return Sound(
        recording_id=line.recording_id,
        start_s=claim.start_s,
        end_s=claim.end_s,
        track_start_s=track_s[0],
        track_end_s=track_s[1],
        score=claim.score,
        confidence=claim.confidence,
        speed=line.speed(claim.start_s, claim.end_s, settings),
        pitch_semitones=float(np.median([fit.semitones for fit in inside])),
    )


def segment_of(part: Claim, holding: Holding, settings: TimelineSettings) -> Segment:
    """A part that a claim keeps, with what gave way to it there."""
    there = sorted((one for one in holding.others if one.overlap_s(part) > 0), key=lambda one: -one.weight)
    others = {one.line.recording_id: one for one in reversed(there)}
    others.pop(part.line.recording_id, None)
    strongest = sorted(others.values(), key=lambda one: -one.weight)[: settings.alternatives]
    same = {one.line.recording_id for one in holding.same if one.overlap_s(part) > 0} | part.line.usual_same()
    return Segment(
        **vars(sound_of(part, settings)),
        same_recording=tuple(sorted(same - {part.line.recording_id})),
        alternatives=tuple(sound_of(one, settings) for one in strongest if one.line.recording_id not in same),
    )
