"""Callers of the service over HTTP.

Those of `arriving` come at random, as the many callers of a service do (a Poisson process), and wait for nobody: a
request's latency counts from the moment that it was due, so that what a slow service holds up is not left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import numpy as np

from scripts.load.material import Clip

TIMEOUT_S = 60.0
IDENTIFY = "/v1/identify"
REFUSALS = (429, 503)


@dataclass(frozen=True)
class Reply:
    """What came of one request; `due_s` since the beginning, the latency from then on. Status 0: nothing came."""

    due_s: float
    latency_ms: float
    status: int
    code: str = ""  # of the problem
    retry_after: bool = False
    clip: int = -1
    right: bool = True  # of the right recording or, of an unknown one, empty
    answered: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.status == 200

    @property
    def refused(self) -> bool:
        """As promised: with a time to ask again."""
        return self.status in REFUSALS and self.retry_after


@dataclass(frozen=True)
class Caller:
    """Sends the clips one after the other, whoever asks."""

    http: httpx.AsyncClient
    clips: Sequence[Clip]
    ids: dict[str, int] = field(default_factory=dict)  # of tracks, by uri, as answered: while the names are away

    async def ask(self, number: int, began_s: float, due_s: float) -> Reply:
        """`began_s` is when the clock of `due_s` was 0."""
        clip = number % len(self.clips)
        headers = {"content-type": "application/octet-stream"}
        try:
            response = await self.http.post(IDENTIFY, content=self.clips[clip].body, headers=headers)
        except httpx.HTTPError as error:
            latency_ms = 1000 * (time.perf_counter() - began_s - due_s)
            return Reply(due_s, latency_ms, 0, type(error).__name__, clip=clip)
        latency_ms = 1000 * (time.perf_counter() - began_s - due_s)
        return self._told(response, Reply(due_s, latency_ms, response.status_code, clip=clip))

    def _told(self, response: httpx.Response, reply: Reply) -> Reply:
        """With what the body says."""
        told: dict[str, Any] = vars(reply) | {"retry_after": "retry-after" in response.headers}
        body = response.json() if "json" in response.headers.get("content-type", "") else {}
        if response.status_code != 200:
            return Reply(**told | {"code": str(body.get("code", response.text[:80]))})
        if "matches" not in body:
            return Reply(**told)
        best = next(iter(body["matches"]), None)
        told |= {"answered": best is not None, "timings_ms": dict(body["timings_ms"])}
        return Reply(**told | {"right": self._is_right(self.clips[reply.clip].uri, best)})

    def _is_right(self, uri: str | None, best: dict[str, Any] | None) -> bool:
        """Without a name the track must be the one that has it at another time."""
        if best is None or uri is None:
            return best is None and uri is None
        return best["uri"] in (uri, None) and self.ids.setdefault(uri, best["track_id"]) == best["track_id"]


@asynccontextmanager
async def calling(url: str, clips: Sequence[Clip], token: str = "") -> AsyncIterator[Caller]:
    """Callers of a service, with as many connections as they need, and a key where it wants one."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(
        base_url=url, limits=limits, timeout=TIMEOUT_S, trust_env=False, headers=headers
    ) as http:
        yield Caller(http, clips)


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests are due, `rate` a second on average, each independent of the others."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, int(rate * seconds + 10 * (rate * seconds) ** 0.5) + 10)
    due = np.cumsum(gaps)
    return [float(at) for at in due[due < seconds]]


async def arriving(caller: Caller, rate: float, seconds: float, seed: int = 0) -> list[Reply]:
    """Replies in the order in which the requests were due, when the last one is there."""
    began_s = time.perf_counter()
    asked = []
    async with asyncio.TaskGroup() as group:
        for number, due_s in enumerate(arrivals(rate, seconds, seed)):
            await asyncio.sleep(max(0.0, began_s + due_s - time.perf_counter()))
            asked.append(group.create_task(caller.ask(number, began_s, due_s)))
    return [task.result() for task in asked]


async def in_turn(caller: Caller, callers: int, seconds: float) -> list[Reply]:
    """So many, each of which asks again as soon as it is answered."""
    began_s, numbers = time.perf_counter(), count()
    replies: list[Reply] = []

    async def one() -> None:
        while (now_s := time.perf_counter() - began_s) < seconds:
            replies.append(await caller.ask(next(numbers), began_s, now_s))

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(one())
    return replies


def run(url: str, clips: Sequence[Clip], work: Callable[[Caller], Awaitable[list[Reply]]]) -> list[Reply]:
    """`work` with callers of its own, to its end."""

    async def with_callers() -> list[Reply]:
        async with calling(url, clips) as caller:
            return await work(caller)

    return asyncio.run(with_callers())
