"""The matcher: which recording a clip is of, where in it, how fast, and how sure that is.

    contract     what is asked for and answered
    settings     what can be tuned
    searching    embeddings of the clip to hits, a quarter of them first
    contenders   the recordings that take part in the vote
    voting       hits to lines in (recording, offset, speed)
    rescoring    lines scored exactly on stored embeddings
    readings     all of these for the clip as it is, then for its retuned readings together
    second_opinion  the same lines judged by spectral peaks
    grouping     repeats, and recordings of one content
    calibration  features to a probability
    matcher      the whole
    listening    the whole, for a clip that is still growing
    timeline     what is heard in a long recording, and when

Pure functions of numpy arrays; the stores are reached through the callables of a `Catalogue`.
"""

from serve.matching.calibration import Calibration, Features, LengthModel, choose_threshold
from serve.matching.contract import Catalogue, Hits, Match, Pair, Query, Ranking, Rows, Variants
from serve.matching.listening import Listening, Verdict
from serve.matching.matcher import identify, rank
from serve.matching.settings import MatcherSettings

__all__ = [
    "Calibration",
    "Catalogue",
    "Features",
    "Hits",
    "LengthModel",
    "Listening",
    "Match",
    "MatcherSettings",
    "Pair",
    "Query",
    "Ranking",
    "Rows",
    "Variants",
    "Verdict",
    "choose_threshold",
    "identify",
    "rank",
]
