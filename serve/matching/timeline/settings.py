"""Everything about timelines that can be tuned, with its unit."""

from dataclasses import dataclass

from ingest.fingerprint.grid import SEGMENT_HOP_S, STORED_STRIDE


@dataclass(frozen=True)
class TimelineSettings:
    """Tunables of a timeline. Contrasts are cosines above what is usual; `_s` is seconds of the recording sent.

    Raises ValueError where segments could be shorter than they may overlap.
    """

    # stretches
    hop_segments: int = 10  # stored segments from one stretch to the next; a stretch is two hops, about 10 s
    history_s: float = 40.0  # embeddings kept: a line that is found is followed back so far

    # finding lines
    seed_confidence: float = 0.05  # of a stretch, from which on its line is followed
    place_epsilon: float = 0.05  # of strength, within which further places of the recording are followed as well
    new_lines: int = 6  # of one stretch
    max_lines: int = 12  # followed at once

    # following
    follow_window_s: float = 0.192  # by which a line may leave its course from one stretch to the next
    speed_drift: float = 0.01  # likewise, as a share of its speed
    course_s: float = 30.0  # from how far back its speed is taken
    join_s: float = 0.5  # of the track: lines of one recording nearer than this are one
    young_fits: int = 3  # stretches until which a line takes whatever course it is heard on …
    clear_share: float = 0.6  # … and of its usual contrast, with which it changes it, and a sure line ends the search
    sure_log_odds: float = 4.0  # from which on a line is sure

    # being heard
    heard_contrast: float = 0.2  # from which on a moment speaks for a line, or half of its usual one if that is less
    drop_s: float = 4.0  # unheard, after which a line has ended …
    bridge_s: float = 15.0  # … unless it is heard again within this, in the same place
    min_heard_s: float = 2.0  # that a passage of a line must be heard

    # segments
    min_s: float = 5.0  # shorter segments are not told
    crossfade_s: float = 4.0  # by which two segments may overlap
    same_share: float = 0.8  # of the longer one, that two segments of one content cover together
    prior_log_odds: float = -4.0  # that a line found anywhere is right, before any evidence
    best_log_odds: float = 5.0  # that one stretch counts at most …
    worst_log_odds: float = -1.0  # … and at least: not being heard for a while proves little
    min_confidence: float = 0.5
    alternatives: int = 5  # told with a segment at most

    def __post_init__(self) -> None:
        if self.min_s <= self.crossfade_s:
            raise ValueError(f"timeline: segments of {self.min_s:g} s that overlap by {self.crossfade_s:g} s")
        if self.history_s < self.bridge_s + self.drop_s:
            raise ValueError("timeline: what is heard again must still be known: history_s is too short")

    @property
    def hop(self) -> int:
        """Embeddings from one stretch to the next."""
        return self.hop_segments * STORED_STRIDE

    @property
    def hop_s(self) -> float:
        return self.hop_segments * SEGMENT_HOP_S
