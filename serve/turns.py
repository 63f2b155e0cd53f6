"""The turns of the short queries: how many are worked on at once, in which threads, and until when."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TypeVar

from serve.config import BoundsConfig
from serve.gate import Gate
from serve.problems import DeadlineExceeded

T = TypeVar("T")


class Turns:
    """`bounds.concurrent` at once, each with a thread for what would block; one deadline for waiting and work."""

    def __init__(self, bounds: BoundsConfig) -> None:
        self._deadline_s = bounds.deadline_s
        self._gate = Gate(bounds.concurrent, bounds.waiting)
        self._threads = ThreadPoolExecutor(bounds.concurrent, thread_name_prefix="query")

    @asynccontextmanager
    async def taken(self, wait_s: float | None = None) -> AsyncIterator[None]:
        """One turn. Raises TooManyRequests, also when none comes within `wait_s`, and DeadlineExceeded."""
        try:
            async with asyncio.timeout(self._deadline_s) as deadline, self._gate.admitted(wait_s):
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(f"no answer within {self._deadline_s:g} s") from None

    async def in_thread(self, work: Callable[[], T]) -> T:
        """What the work comes to, or raises; the event loop goes on meanwhile."""
        context = copy_context()  # the request's id and its span
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, work)

    def close(self) -> None:
        """Nothing new is begun; a thread that works cannot be stopped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
