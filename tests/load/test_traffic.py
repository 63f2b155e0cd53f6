"""Callers on a real socket: when they ask, from when a reply is late, and what they make of it."""

import asyncio
import time

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from scripts.load.material import Clip
from scripts.load.traffic import arrivals, arriving, in_turn, run
from tests.service.live import serving

CLIPS = [Clip(b"known", "a.flac"), Clip(b"unknown", None)]
ANSWERS = {b"known": ("a.flac", 1), b"nameless": (None, 1), b"nameless, another": (None, 2)}


def answering(hold_s: float = 0.0, *, at_once: int = 100) -> Starlette:
    """Answers as the service does, `at_once` at a time, each held so long, as ANSWERS has it."""
    turn = asyncio.Semaphore(at_once)

    async def identify(request: Request) -> Response:
        body = await request.body()
        async with turn:
            await asyncio.sleep(hold_s)
        named, track_id = ANSWERS.get(body, (None, None))
        matches = [{"uri": named, "track_id": track_id}] if track_id else []
        return JSONResponse({"matches": matches, "timings_ms": {"total": 1.0}})

    return Starlette(routes=[Route("/v1/identify", identify, methods=["POST"])])


def url_of(client: httpx.Client) -> str:
    return str(client.base_url)


def test_arrivals_are_random_and_as_many_as_asked_for() -> None:
    """A Poisson process: the spread of the counts of seconds is their mean, and another seed is another process."""
    due = np.array(arrivals(50.0, 400.0, seed=1))
    counts = np.histogram(due, bins=np.arange(401))[0]
    assert np.mean(counts) == pytest.approx(50.0, rel=0.03)
    assert np.var(counts) == pytest.approx(50.0, rel=0.2)
    assert arrivals(50.0, 1.0, seed=1) == arrivals(50.0, 1.0, seed=1) != arrivals(50.0, 1.0, seed=2)


def test_latency_counts_from_when_a_request_was_due() -> None:
    """A service that takes one at a time is asked on and on, and the waiting of those behind is theirs."""
    with serving(answering(0.1, at_once=1)) as client:
        replies = run(url_of(client), CLIPS, lambda caller: arriving(caller, rate=30.0, seconds=1.0))
    assert [reply.due_s for reply in replies] == arrivals(30.0, 1.0, seed=0)
    assert max(1000 * reply.due_s + reply.latency_ms for reply in replies) >= 100 * len(replies)


def test_callers_in_turn_wait_for_their_answers() -> None:
    """Two callers of a service that takes a tenth of a second are answered about twenty times a second."""
    with serving(answering(0.1)) as client:
        began = time.monotonic()
        replies = run(url_of(client), CLIPS, lambda caller: in_turn(caller, 2, seconds=1.0))
    assert 8 <= len(replies) <= 20
    assert time.monotonic() - began >= 1.0
    assert all(reply.latency_ms >= 100 for reply in replies)


def test_an_answer_is_held_against_the_clip() -> None:
    """Right are the recording of a known clip, and nothing for an unknown one; the stages are kept."""
    with serving(answering()) as client:
        known, unknown = run(url_of(client), CLIPS, lambda caller: arriving(caller, 10.0, 0.3))[:2]
        wrong = run(url_of(client), [Clip(b"known", "b.flac")], lambda caller: arriving(caller, 10.0, 0.3))[0]
    assert (known.right, known.answered, known.timings_ms) == (True, True, {"total": 1.0})
    assert (unknown.right, unknown.answered) == (True, False)
    assert (wrong.right, wrong.answered) == (False, True)


def test_an_answer_without_names_is_held_against_an_earlier_one() -> None:
    """While the metadata store is away a track's id must be the one that had the name before."""
    clips = [Clip(body, "a.flac") for body in (b"known", b"nameless", b"nameless, another")]
    with serving(answering()) as client:
        replies = run(url_of(client), clips, lambda caller: in_turn(caller, 1, 0.3))
    assert [reply.right for reply in replies[:3]] == [True, True, False]


def test_whatever_goes_wrong_is_a_reply() -> None:
    """A refusal with its code, plain text of a proxy, and a port where nobody listens."""

    async def full(_: Request) -> Response:
        return JSONResponse({"code": "too_many_requests"}, 429, {"Retry-After": "1"})

    async def broken(_: Request) -> Response:
        return PlainTextResponse("Internal Server Error", 500)

    for endpoint, expected in (
        (full, (429, "too_many_requests", True)),
        (broken, (500, "Internal Server Error", False)),
    ):
        with serving(Starlette(routes=[Route("/v1/identify", endpoint, methods=["POST"])])) as client:
            url = url_of(client)
            reply = run(url, CLIPS, lambda caller: arriving(caller, 10.0, 0.3))[0]
        assert (reply.status, reply.code, reply.refused) == expected
    reply = run(url, CLIPS, lambda caller: arriving(caller, 10.0, 0.3))[0]
    assert (reply.status, reply.code) == (0, "ConnectError")
