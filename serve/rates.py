"""How often one caller may ask: a bucket of tokens that fills at a steady rate."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """What a caller has left after asking."""

    granted: bool
    per_minute: float
    remaining: int  # requests that would be answered now
    wait_s: int  # until there is one more

    def headers(self) -> dict[str, str]:
        """RateLimit-Policy and RateLimit, as draft 10 of the IETF's RateLimit header fields has them."""
        return {
            "RateLimit-Policy": f'"minute";q={math.floor(self.per_minute) or 1};w=60',
            "RateLimit": f'"minute";r={self.remaining};t={self.wait_s}',
        }


class TokenBucket:
    """Holds `burst` tokens at most, gains `per_minute` of them a minute; every request takes one.

    >>> bucket = TokenBucket(per_minute=60, burst=1, clock=lambda: 0.0)
    >>> [bucket.take().granted for _ in range(2)]
    [True, False]
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()

    def take(self) -> Allowance:
        """Take a token if there is one."""
        now = self._clock()
        gained = (now - self._filled_at) * self._per_minute / 60
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_at = now
        granted = self._tokens >= 1
        if granted:
            self._tokens -= 1
        missing = math.floor(self._tokens) + 1 - self._tokens
        wait_s = max(1, math.ceil(missing * 60 / self._per_minute))
        return Allowance(granted, self._per_minute, math.floor(self._tokens), wait_s)
