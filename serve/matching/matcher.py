"""The whole matcher: search, vote, rescore, group, decide."""

from serve.matching.calibration import Calibration
from serve.matching.contract import Catalogue, Match, Query, Ranking, Variants
from serve.matching.settings import MatcherSettings

DEFAULT_CALIBRATION = Calibration()
DEFAULT_SETTINGS = MatcherSettings()


def identify(
    query: Query,
    catalogue: Catalogue,
    *,
    calibration: Calibration = DEFAULT_CALIBRATION,
    settings: MatcherSettings = DEFAULT_SETTINGS,
    variants: Variants = (),
    threshold: float | None = None,
    limit: int = 5,
) -> list[Match]:
    """The recordings that the clip is of, best first; none if it is of no recording in the catalogue.

    `threshold` replaces the calibration's. What the catalogue's callables raise is passed on.
    """
    ranking = rank(query, catalogue, calibration=calibration, settings=settings, variants=variants)
    least = calibration.threshold if threshold is None else threshold
    return [match for match in ranking.matches if match.confidence >= least][:limit]


def rank(
    query: Query,
    catalogue: Catalogue,
    *,
    calibration: Calibration = DEFAULT_CALIBRATION,
    settings: MatcherSettings = DEFAULT_SETTINGS,
    variants: Variants = (),
) -> Ranking:
    """Every recording considered, best first, with its features, whether it would be accepted or not."""
    raise NotImplementedError
