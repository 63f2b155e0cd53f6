"""The whole: a growing sequence of embeddings in, segments out as soon as nothing can change them any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S
from serve.matching.calibration import Calibration
from serve.matching.contract import Catalogue, Match, Query
from serve.matching.grouping import agreement
from serve.matching.matcher import judge
from serve.matching.readings import align
from serve.matching.rescoring import Alignment
from serve.matching.searching import HitList, Search, in_quarter, search_together
from serve.matching.settings import MatcherSettings
from serve.matching.timeline.claims import Claim, Segment, claims_of, segment_of, settled
from serve.matching.timeline.follow import follow, middle_s, trace_back
from serve.matching.timeline.line import Line
from serve.matching.timeline.settings import TimelineSettings
from serve.matching.timeline.tape import Stretch, Tape

SHORTEST = 4  # embeddings of a stretch that is searched


class Timeline:
    """Follows what is heard in one long recording.

    Everything happens at stretches whose place is fixed, two hops long, one each hop; so the segments do not depend on
    how the recording was cut on its way here.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        calibration: Calibration,
        matching: MatcherSettings | None = None,
        settings: TimelineSettings | None = None,
    ) -> None:
        self._catalogue, self._calibration = catalogue, calibration
        self._matching = matching or MatcherSettings()
        self._settings = settings or TimelineSettings()
        self._tape = Tape()
        self._hop = 0  # at which the next stretch begins
        self._found = 0  # lines so far
        self._going: list[Line] = []
        self._over: list[Line] = []
        self._met: Counter[tuple[int, int]] = Counter()  # stretches in which two lines were heard together …
        self._same: Counter[tuple[int, int]] = Counter()  # … and in which they were of one content
        self._told_s: dict[int, float] = {}  # by line, until when it was told
        self._floor_s = 0.0  # nothing may begin before
        self._hits: dict[int, HitList] = {}  # by hop
        self.searched = 0  # embeddings so far

    def hear(self, heard: Query) -> list[Segment]:
        """What comes next of the recording; the segments that are settled by it, in order of `start_s`.

        What the catalogue's callables raise is passed on.
        """
        self._tape.add(heard)
        segments = []
        size = self._settings.hop
        while self._tape.end >= (self._hop + 2) * size:
            self._look()
            segments += self._settle(self._tape.first * self._settings.hop_s / size)
        return segments

    def end(self) -> list[Segment]:
        """There is no more; the segments that are left."""
        size = self._settings.hop
        if self._tape.end > (self._hop + 1 if self._hop else 0) * size:
            self._look()
        self._over += self._going
        self._going = []
        return self._settle(np.inf)

    def _look(self) -> None:
        """Take in the next stretch."""
        hop, settings = self._hop, self._settings
        stretch = self._tape.stretch(hop * settings.hop, (hop + 2) * settings.hop)
        aligned = follow(self._going, stretch, self._catalogue.fetch, self._matching, settings)
        for line in self._going:
            line.note(stretch, aligned.get(line.number), [hop + 1], settings)
        if not self._explained(hop + 1):
            self._search(hop, stretch, aligned)
        self._compare(aligned)
        self._close(hop)
        self._hop += 1
        self._tape.forget((self._hop - round(settings.history_s / settings.hop_s)) * settings.hop)
        self._hits = {known: hits for known, hits in self._hits.items() if known >= self._hop}

    def _explained(self, hop: int) -> bool:
        """Whether a line that is beyond doubt goes on as ever, so that there is nothing to search for."""
        share = self._settings.clear_share
        return any(
            line.contrast_in(hop) >= share * line.usual_contrast and line.sure(self._settings) for line in self._going
        )

    def _search(self, hop: int, stretch: Stretch, aligned: dict[int, Alignment]) -> None:
        """Find lines in the stretch; what that says of those that are followed already is noted with them."""
        if len(stretch.vectors) < SHORTEST or not stretch.audible.any():
            return
        found, tracks = align(stretch, self._hits_of(hop, stretch), self._catalogue, self._matching)
        found += aligned.values()
        tracks |= {line.recording_id: line.track_id for line in self._going}
        matches = judge(stretch, found, tracks, self._calibration, self._matching)
        for line in self._going:
            self._believe(line, hop, stretch, found, matches)
        new = self._new_lines(hop, stretch, found, tracks, matches)
        trace_back(new, hop, self._tape, self._catalogue.fetch, self._matching, self._settings)
        self._going += new
        if len(self._going) > self._settings.max_lines:
            self._going.sort(key=lambda line: (-line.total_log_odds(-np.inf, np.inf, self._settings), line.number))
            self._over += self._going[self._settings.max_lines :]
            del self._going[self._settings.max_lines :]

    def _hits_of(self, hop: int, stretch: Stretch) -> HitList:
        """Of a quarter of the stretch's embeddings; those of a hop are searched once."""
        size = self._settings.hop
        parts = []
        for number in (hop, hop + 1):
            if number not in self._hits:
                part = self._tape.stretch(number * size, max(self._tape.first, (number + 1) * size))
                search = Search(self._matching)
                audible = np.flatnonzero(part.audible)
                chosen = audible[in_quarter(audible + part.first)]
                if len(chosen):
                    search_together([(search, part, chosen)], self._catalogue, self._matching.hits)
                self.searched += len(chosen)
                self._hits[number] = search.hits()
            parts.append(self._hits[number])
        positions = np.concatenate([part.positions + n * size for n, part in enumerate(parts)])
        rest = ("recordings", "segments", "weights")
        return HitList(positions, *(np.concatenate([getattr(part, name) for part in parts]) for name in rest))

    def _believe(
        self, line: Line, hop: int, stretch: Stretch, found: Sequence[Alignment], matches: Sequence[Match]
    ) -> None:
        """The match that a line is part of: of its recording, heard on its course as well as anywhere else in it."""
        places = [one for one in found if one.recording_id == line.recording_id]
        on_course = [one for one in places if self._on_course(line, one, stretch)]
        own = max(on_course, key=lambda one: one.strength, default=None)
        match = None
        if own and own.strength >= max(one.strength for one in places) - self._settings.place_epsilon:
            match = next((one for one in matches if own.recording_id in (one.recording_id, *one.same_recording)), None)
            line.note(stretch, own, [hop + 1], self._settings)
        line.believe(hop, match, self._settings)

    def _new_lines(
        self,
        hop: int,
        stretch: Stretch,
        found: Sequence[Alignment],
        tracks: dict[int, int],
        matches: Sequence[Match],
    ) -> list[Line]:
        """For the places of the matches that no line goes through yet."""
        settings = self._settings
        lines: list[Line] = []
        for match in matches:
            if match.confidence < settings.seed_confidence:
                continue
            for recording in (match.recording_id, *match.same_recording):
                for place in self._places(recording, found):
                    if len(lines) < settings.new_lines and not self._followed(place, stretch, [*self._going, *lines]):
                        self._found += 1
                        line = Line(self._found, recording, tracks[recording], place.contrast)
                        line.note(stretch, place, [hop, hop + 1], settings)
                        line.believe(hop, match, settings)
                        lines.append(line)
        return lines

    def _places(self, recording: int, found: Sequence[Alignment]) -> list[Alignment]:
        """Where in a recording the stretch is heard best, or nearly as well; the earliest first."""
        places = [one for one in found if one.recording_id == recording]
        best = max(one.strength for one in places)
        near = (one for one in places if one.strength >= best - self._settings.place_epsilon)
        return sorted(near, key=lambda one: one.offset_s)

    def _on_course(self, line: Line, place: Alignment, stretch: Stretch) -> bool:
        expected_s, _ = line.predicted(stretch.middle_s, self._settings)
        return abs(expected_s - middle_s(place, stretch)) <= self._settings.join_s

    def _followed(self, place: Alignment, stretch: Stretch, lines: Sequence[Line]) -> bool:
        own = (line for line in lines if line.recording_id == place.recording_id)
        return any(self._on_course(line, place, stretch) for line in own)

    def _compare(self, aligned: dict[int, Alignment]) -> None:
        """Which lines are of one content."""
        for a, b in combinations(sorted(aligned), 2):
            if aligned[a].recording_id != aligned[b].recording_id:
                self._met[a, b] += 1
                self._same[a, b] += agreement(aligned[a], aligned[b], self._matching).same

    def _are_same(self, a: Line, b: Line) -> bool:
        pair = min(a.number, b.number), max(a.number, b.number)
        return 2 * self._same[pair] > self._met[pair]

    def _close(self, hop: int) -> None:
        """Lines that were not heard for long are over."""
        settings = self._settings
        now_s = (hop + 2) * settings.hop_s
        silent_s = settings.bridge_s + settings.drop_s
        going = [line for line in self._going if line.last_heard_s(settings) >= now_s - silent_s]
        self._over += [line for line in self._going if all(line is not other for other in going)]
        self._going = going

    def _settle(self, until_s: float) -> list[Segment]:
        """Segments that end before `until_s` and that nothing can change any more."""
        if not self._over:
            return []
        over = {line.number for line in self._over}
        claims = [claim for line in (*self._over, *self._going) for claim in self._claims(line)]
        holdings = settled(claims, self._are_same, self._settings)
        parts = sorted(
            ((part, holding) for holding in holdings for part in holding.parts), key=lambda one: one[0].start_s
        )
        told = []
        horizon_s = until_s
        for part, holding in parts:
            if part.line.number not in over or part.end_s > until_s:
                horizon_s = min(horizon_s, part.start_s)
                break
            told.append(segment_of(part, holding, self._settings))
            self._told_s[part.line.number] = part.end_s
            self._floor_s = part.end_s - self._settings.crossfade_s
        self._over = [line for line in self._over if self._ends_s(line) > horizon_s]
        return told

    def _claims(self, line: Line) -> list[Claim]:
        looked = min(self._tape.end, (self._hop + 1) * self._settings.hop)
        from_s = max(self._floor_s, self._told_s.get(line.number, 0.0))
        return claims_of(line, from_s, looked * EMBEDDING_HOP_S, self._settings)

    def _ends_s(self, line: Line) -> float:
        """When the last thing ends that it may still claim; −inf if there is none."""
        return max((claim.end_s for claim in self._claims(line)), default=-np.inf)
