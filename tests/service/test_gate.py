"""Who gets in, who waits, who is turned away."""

import asyncio

import pytest

from serve.gate import Gate
from serve.problems import TooManyRequests


def test_the_gate_admits_queues_and_refuses() -> None:
    """Of five at a gate for two with one place to wait, two work at once, one follows, and two are refused at once."""
    gate = Gate(concurrent=2, waiting=1)
    working, most, refused = 0, 0, 0

    async def request() -> None:
        nonlocal working, most, refused
        try:
            async with gate.admitted():
                working += 1
                most = max(most, working)
                await asyncio.sleep(0.01)
                working -= 1
        except TooManyRequests:
            refused += 1

    async def crowd() -> None:
        await asyncio.gather(*(request() for _ in range(5)))

    asyncio.run(crowd())
    assert (most, refused, gate.inside) == (2, 2, 0)


def test_a_failed_or_cancelled_request_leaves_its_place() -> None:
    """An error inside, and a caller that gives up while waiting, both free the place."""
    gate = Gate(concurrent=1, waiting=1)

    async def hold(seconds: float) -> None:
        async with gate.admitted():
            await asyncio.sleep(seconds)
            raise ValueError

    async def scenario() -> None:
        first = asyncio.create_task(hold(0.02))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(hold(0))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(ValueError):
            await first
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())
    assert gate.inside == 0
