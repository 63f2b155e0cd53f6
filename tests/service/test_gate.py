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


def test_who_has_waited_long_enough_is_turned_away() -> None:
    """Its place is free again, whoever is patient still gets a turn, and so does the next one."""
    gate = Gate(concurrent=1, waiting=2)

    async def hold(seconds: float, wait_s: float | None = None) -> None:
        async with gate.admitted(wait_s):
            await asyncio.sleep(seconds)

    async def scenario() -> None:
        first = asyncio.create_task(hold(0.1))
        await asyncio.sleep(0)
        patient = asyncio.create_task(hold(0.0))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match=r"0\.02 s"):
            await hold(0.0, wait_s=0.02)
        assert gate.inside == 2
        await asyncio.gather(first, patient)
        await hold(0.0, wait_s=0.02)

    asyncio.run(scenario())
    assert gate.inside == 0


def test_a_time_limit_inside_is_not_taken_for_waiting() -> None:
    """What is done within a turn may time out by itself."""

    async def late() -> None:
        async with Gate(concurrent=1, waiting=0).admitted(wait_s=0.01):
            await asyncio.sleep(0.03)
            raise TimeoutError("inside")

    with pytest.raises(TimeoutError, match="inside"):
        asyncio.run(late())
