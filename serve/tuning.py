"""What the service may be told while it runs, for one generation, in place of its configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from serve.matching import MatcherSettings

MOST_HITS = 16_384  # Milvus answers with no more
MOST_SEARCHED = 100_000


@dataclass(frozen=True)
class Tuning:
    """None, or nothing: what the configuration says. Raises ValueError for what cannot work."""

    min_confidence: float | None = None  # from which on a clip is answered, whatever its length
    hits: int | None = None  # asked for each query embedding
    max_searched: int | None = None  # query embeddings searched of one clip
    search_params: Mapping[str, float] = field(default_factory=dict)  # of the index, beside vectors.search_params

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= _number("min_confidence", self.min_confidence) <= 1:
            raise ValueError(f"tuning: min_confidence={self.min_confidence} must lie between 0 and 1")
        for name, most in (("hits", MOST_HITS), ("max_searched", MOST_SEARCHED)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or not 1 <= _number(name, value) <= most):
                raise ValueError(f"tuning: {name}={value} must be a whole number between 1 and {most}")
        for name, value in self.search_params.items():
            if _number(f"search_params.{name}", value) < 0:
                raise ValueError(f"tuning: search_params.{name}={value} must not be negative")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Self:
        """Of what `to_dict` wrote. Raises ValueError."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values or {}) - known):
            raise ValueError(f"tuning: no such option: {', '.join(unknown)}")
        if not isinstance((values or {}).get("search_params", {}), Mapping):
            raise ValueError("tuning: search_params must be names with numbers")
        return cls(**(values or {}))

    def to_dict(self) -> dict[str, Any] | None:
        """What is told, as JSON can hold it; None: nothing is."""
        told = {name: value for name, value in asdict(self).items() if value not in (None, {})}
        return told or None

    def settings(self, configured: MatcherSettings) -> MatcherSettings:
        """The matcher's."""
        hits, searched = self.hits or configured.hits, self.max_searched or configured.max_searched
        return replace(configured, hits=hits, max_searched=searched)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"tuning: {name}={value} is no number")
    return value
