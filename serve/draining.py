"""The end of a replica: what is short is finished, and whoever waits for something long is told to ask again.

Ray Serve waits for the requests under way before it ends a replica, `bounds.drain_s` at most; an upload of minutes, a
long recording or a caller who is heard live would only be cut off.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from serve.problems import Draining

R = TypeVar("R")
LOOK_S = 0.25


class Drain:
    """Whether the replica is about to end."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        self._begun.set()

    async def watch(self, ending: Callable[[], bool]) -> None:
        """Return once it is."""
        while not ending():
            await asyncio.sleep(LOOK_S)
        self.begin()

    async def unless(self, work: Coroutine[Any, Any, R]) -> R:
        """What the work comes back with. Raises Draining in its place when the replica is to end before."""
        if self._begun.is_set():
            work.close()
            raise self._refusal()
        step, begun = asyncio.ensure_future(work), asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait((step, begun), return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                raise self._refusal()
            return step.result()
        finally:
            step.cancel()
            begun.cancel()

    def _refusal(self) -> Draining:
        return Draining("this replica is about to end; another one takes over")


def never() -> bool:
    """Of a service that nobody drains."""
    return False
