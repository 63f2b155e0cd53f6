"""One recording that is being followed through a long one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from serve.matching.contract import Match
from serve.matching.matcher import pitch_semitones
from serve.matching.rescoring import Alignment
from serve.matching.timeline.evidence import Interval, Pairs, bridged, heard_intervals, joined, pairs_along
from serve.matching.timeline.settings import TimelineSettings
from serve.matching.timeline.tape import Stretch


@dataclass(frozen=True)
class Fit:
    """Where the line lies in one stretch in which it was heard."""

    at_s: float  # middle of the stretch
    track_s: float
    speed: float
    semitones: float
    contrast: float


def course_speed(fits: Sequence[Fit], settings: TimelineSettings) -> float | None:
    """The median over pairs of fits half of the course apart; None where that is too short."""
    half = len(fits) // 2
    if not half or fits[-1].at_s - fits[0].at_s < settings.course_s / 2:
        return None
    pairs = zip(fits[:-half], fits[half:], strict=True)
    return float(np.median([(late.track_s - early.track_s) / (late.at_s - early.at_s) for early, late in pairs]))


@dataclass
class Line:
    """A course through (time of the recording sent, time of the track), with all that is known of it by hop.

    number: in the order in which lines were found; it settles what else is equal.
    """

    number: int
    recording_id: int
    track_id: int
    usual_contrast: float
    fits: list[Fit] = field(default_factory=list)  # in order of time
    pairs: dict[int, Pairs] = field(default_factory=dict)  # by hop
    log_odds: dict[int, float] = field(default_factory=dict)  # by hop in which a searched stretch began
    matches: int = 0  # searched stretches in which it was among the matches …
    same: Counter[int] = field(default_factory=Counter)  # … and in how many of them which others were of one content

    def predicted(self, at_s: float, settings: TimelineSettings) -> tuple[float, float]:
        """Time of the track and speed there, from the clear fits around the nearest one."""
        clear = [fit for fit in self.fits if fit.contrast >= settings.clear_share * self.usual_contrast] or self.fits
        near = min(clear, key=lambda fit: abs(fit.at_s - at_s))
        around = [fit for fit in clear if abs(fit.at_s - near.at_s) <= settings.course_s]
        speed = course_speed(around, settings)
        if speed is None:
            return near.track_s + near.speed * (at_s - near.at_s), near.speed
        return float(np.median([fit.track_s + speed * (at_s - fit.at_s) for fit in around])), speed

    def speed(self, start_s: float, end_s: float, settings: TimelineSettings) -> float:
        """Between two times."""
        inside = [fit for fit in self.fits if start_s <= fit.at_s <= end_s] or self.fits
        return course_speed(inside, settings) or float(np.median([fit.speed for fit in inside]))

    def note(
        self, stretch: Stretch, aligned: Alignment | None, hops: Iterable[int], settings: TimelineSettings
    ) -> None:
        """What a stretch says of some of its hops."""
        for hop in hops:
            start_s = hop * settings.hop_s
            here = Pairs(np.empty(0), np.empty(0, np.float32), np.empty(0, np.float32))
            if aligned is not None:
                offset_s, slope = self._course(stretch, aligned, settings)
                along = pairs_along(stretch, aligned, offset_s, slope)
                here = along.within(start_s, start_s + settings.hop_s)
            self.pairs[hop] = here

    def _course(self, stretch: Stretch, aligned: Alignment, settings: TimelineSettings) -> tuple[float, float]:
        """The alignment's own offset and slope where the line is clear, else those of its course so far."""
        young = settings.young_fits > len(self.fits)
        level = (
            min(self.usual_contrast / 2, settings.heard_contrast)
            if young
            else settings.clear_share * self.usual_contrast
        )
        if aligned.contrast >= level or not self.fits:
            track_s = aligned.offset_s + aligned.slope * stretch.length_s / 2
            self._add(Fit(stretch.middle_s, track_s, aligned.slope, pitch_semitones(aligned), aligned.contrast))
            return aligned.offset_s, aligned.slope
        track_s, speed = self.predicted(stretch.middle_s, settings)
        return track_s - speed * stretch.length_s / 2, speed

    def _add(self, fit: Fit) -> None:
        self.fits = sorted([*(one for one in self.fits if one.at_s != fit.at_s), fit], key=lambda one: one.at_s)
        self.usual_contrast = float(np.median([one.contrast for one in self.fits]))

    def believe(self, hop: int, match: Match | None, settings: TimelineSettings) -> None:
        """What a search of the stretch that begins with a hop says: the match that the line is part of, if any."""
        confidence = match.confidence if match else 0.0
        odds = np.log(max(confidence, 1e-9)) - np.log(max(1 - confidence, 1e-9))
        self.log_odds[hop] = float(np.clip(odds, settings.worst_log_odds, settings.best_log_odds))
        if match:
            self.matches += 1
            self.same.update({match.recording_id, *match.same_recording} - {self.recording_id})

    def usual_same(self) -> set[int]:
        """Recordings that most of its matches called the same."""
        return {recording for recording, count in self.same.items() if 2 * count > self.matches}

    def total_log_odds(self, start_s: float, end_s: float, settings: TimelineSettings) -> float:
        """That the line is right between two times. Stretches overlap by half, so each counts by half, if a quarter
        of it lies there."""
        middle_s = {hop: (hop + 1) * settings.hop_s for hop in self.log_odds}
        first_s, last_s = start_s - settings.hop_s / 2, end_s + settings.hop_s / 2
        told = sum(odds for hop, odds in self.log_odds.items() if first_s <= middle_s[hop] <= last_s)
        return settings.prior_log_odds + told / 2

    def sure(self, settings: TimelineSettings) -> bool:
        return self.total_log_odds(-np.inf, np.inf, settings) >= settings.sure_log_odds

    def contrast_in(self, hop: int) -> float:
        """Mean, 0 where nothing was heard."""
        here = self.pairs.get(hop)
        return float(here.contrasts.mean()) if here is not None and len(here.contrasts) else 0.0

    def all_pairs(self) -> Pairs:
        return joined(self.pairs[hop] for hop in sorted(self.pairs))

    def intervals(self, settings: TimelineSettings) -> list[Interval]:
        """When it is heard, short gaps closed."""
        return bridged(heard_intervals(self.all_pairs(), self.usual_contrast, settings), settings)

    def last_heard_s(self, settings: TimelineSettings) -> float:
        """End of the last interval in the last minute or so; −inf where there is none."""
        recent = sorted(self.pairs)[-max(4, round(4 * settings.bridge_s / settings.hop_s)) :]
        found = heard_intervals(joined(self.pairs[hop] for hop in recent), self.usual_contrast, settings)
        return found[-1].end_s if found else -np.inf
