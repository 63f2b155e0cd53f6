"""How many requests are worked on at once, and how many may wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serve.problems import TooManyRequests


class Gate:
    """Admits `concurrent` at once, lets `waiting` more queue in order, and turns the rest away at once."""

    def __init__(self, concurrent: int, waiting: int) -> None:
        self.places = concurrent + waiting
        self.inside = 0
        self._turn = asyncio.Semaphore(concurrent)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Raises TooManyRequests."""
        if self.inside >= self.places:
            raise TooManyRequests(f"{self.inside} queries are already being answered or waiting")
        self.inside += 1
        try:
            async with self._turn:
                yield
        finally:
            self.inside -= 1
