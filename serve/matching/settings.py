"""Everything about the matcher that can be tuned, with its unit."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class MatcherSettings:
    """Tunables of the matcher. Scores are cosines; `_s` is seconds."""

    # search
    hits: int = 100  # asked for each embedding …
    hits_of_variant: int = 40  # … of a variant, while only a quarter of it has been searched
    first_search: int = 12  # embeddings: a quarter of the clip is searched first if that is at least so many
    max_searched: int = 600  # embeddings of one clip, spread evenly over it
    decisive_confidence: float = 0.99  # at which neither more embeddings nor variants are tried …
    place_lead: float = 0.2  # … if the place leads any other in the recording by so much strength
    promising_lead: float = 0.1  # in strength over the clip as it is, from which on all of a variant is searched
    agreeing_looks: int = 2  # decisive ones, running, until a growing clip is answered

    # vote
    noise_floor: float = 0.25  # score from which on a hit weighs anything …
    last_hit: float = 0.9  # … moved this share of the way to the embedding's last hit
    min_speed: float = 0.8
    max_speed: float = 1.25
    speed_drift_s: float = 0.256  # by which neighbouring speeds of the vote part at the ends of the clip, at most
    vote_bin_s: float = 0.256  # spacing of the offsets voted on; a hit counts for those within two of them
    unusual_speed: float = 0.2  # share of its votes that a line loses per unit of |ln speed|
    considered: int = 48  # recordings that take part in the vote: those with most to gain from it
    line_gap_s: float = 1.0  # lines of a recording nearer than this are one

    # exact rescoring
    fetched: int = 400  # stored embeddings fetched for the best lines of a long or growing clip, about; of another …
    fetched_at_first: int = 250  # … while only a quarter of the clip has been searched
    fetched_at_last: int = 600  # … when all of it has
    fetched_of_variant: int = 100  # … for a variant, while only a quarter of it has been searched
    min_lines: int = 8  # however few embeddings are to be fetched …
    min_lines_of_variant: int = 4  # … for a variant, while only a quarter of it has been searched
    max_lines: int = 48
    repeats: int = 12  # further lines of the recordings above
    repeat_share: float = 0.5  # of the best line's votes, that makes another place of a recording worth rescoring
    offset_window_s: float = 0.448  # around the voted offset
    offset_step_s: float = 0.064  # refined to a quarter, then to an eighth of it
    prior_pairs: float = 2.0  # pairs of contrast 0 that every line is given, so that few pairs prove little
    speed_cost: float = 0.6  # pairs of contrast 1 that a unit of |ln speed| costs

    # second opinion
    peak_window_s: float = 0.128  # around a line, in which it is moved to suit the recording's peaks
    max_semitones: float = 3.5  # between clip and recording
    pitch_cost: float = 0.02  # deviations that a semitone off the recording's pitch, or the speed's, costs
    prior_peaks: float = 8.0  # peaks of agreement 0 that every line is given
    peak_weight: float = 0.4  # of a deviation of agreement, beside a contrast of 1

    # places in one recording
    place_pairs: int = 5  # of the strongest, from which on they are compared by plain cosines …
    place_peak_weight: float = 0.3  # … and by so much of a deviation of agreement, beside a mean cosine of 1

    # repeats and equals
    repeat_epsilon: float = 0.03  # score within which an earlier place of the same recording is preferred
    grouped: int = 3  # recordings, the best ones, of which others of one content are looked for
    same_epsilon: float = 0.05  # score within which two recordings can be one
    same_share: float = 0.8  # of the longer one's pairs, that the shorter one of two alignments of one content has
    same_cosine: float = 0.995  # between stored embeddings of one content, at equal phases of the stored grid
    same_cosine_between: float = 0.85  # likewise half a segment out of phase, where neighbours are interpolated
    related_cosine: float = 0.8  # from which on another recording does not speak against the best one
    chance_strength: float = 0.05  # the next recording's strength where there is none

    def for_look(self, is_variant: bool, is_last: bool) -> "MatcherSettings":
        """These settings with what a look at a reading may ask for: hits of an embedding, lines, stored embeddings."""
        if is_last:
            return replace(self, fetched=self.fetched_at_last)
        if not is_variant:
            return replace(self, fetched=self.fetched_at_first)
        return replace(
            self,
            hits=min(self.hits, self.hits_of_variant),
            fetched=self.fetched_of_variant,
            min_lines=self.min_lines_of_variant,
        )
