"""How many requests are worked on at once, and how many may wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serve.problems import TooManyRequests


class Gate:
    """Admits `concurrent` at once, lets `waiting` more queue in order, and turns the rest away at once.

    A queue that is bounded in number alone makes everyone late when more is asked than can be answered, the later the
    slower the machine is: one that is bounded in time as well answers in time those that it answers.
    """

    def __init__(self, concurrent: int, waiting: int) -> None:
        self.places = concurrent + waiting
        self.inside = 0
        self._turn = asyncio.Semaphore(concurrent)

    @asynccontextmanager
    async def admitted(self, wait_s: float | None = None) -> AsyncIterator[None]:
        """Raises TooManyRequests, also for one that has waited `wait_s`."""
        if self.inside >= self.places:
            raise TooManyRequests(f"{self.inside} queries are already being answered or waiting")
        self.inside += 1
        try:
            await self._take_turn(wait_s)
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self.inside -= 1

    async def _take_turn(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s) as patience:
                await self._turn.acquire()
        except TimeoutError:
            if not patience.expired():
                raise
            raise TooManyRequests(f"no turn came within {wait_s:g} s") from None
