"""Callers who ask on and on while something happens to the service."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from scripts.load.figures import failures
from scripts.load.material import Clip
from scripts.load.traffic import Reply, calling

RATE = 2.0  # a second


class Steady:
    """In a thread of its own; `replies` once it has ended, in the order in which they were asked for."""

    def __init__(self, url: str, clips: Sequence[Clip], token: str = "") -> None:
        self.replies: list[Reply] = []
        self._url, self._clips, self._token = url, clips, token
        self._ended = threading.Event()
        self._began_s = time.perf_counter()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_on()))

    def start(self) -> None:
        self._began_s = time.perf_counter()
        self._thread.start()

    def end(self) -> None:
        """Comes back with the last reply."""
        self._ended.set()
        self._thread.join()

    def now_s(self) -> float:
        """On the clock of the replies."""
        return time.perf_counter() - self._began_s

    async def _ask_on(self) -> None:
        asked = []
        async with calling(self._url, self._clips, self._token) as caller, asyncio.TaskGroup() as group:
            for number in count():
                await asyncio.sleep(max(0.0, number / RATE - self.now_s()))
                if self._ended.is_set():
                    break
                asked.append(group.create_task(caller.ask(number, self._began_s, number / RATE)))
        self.replies = [task.result() for task in asked]


@contextmanager
def asking(url: str, clips: Sequence[Clip], token: str = "") -> Iterator[Steady]:
    """From two seconds before what happens inside to two seconds after it.

    Whatever happens, every answer is right, and what is not answered is turned away as promised.
    """
    steady = Steady(url, clips, token)
    steady.start()
    try:
        time.sleep(2.0)
        yield steady
        time.sleep(2.0)
    finally:
        steady.end()
    assert not failures(steady.replies), failures(steady.replies)
    wrong = [reply for reply in steady.replies if reply.accepted and not reply.right]
    assert not wrong, wrong
    assert steady.replies[-1].accepted, "it is as it was before"
