"""The encoder's deployment as the service calls it, over a handle that fails in Ray's ways."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from serve.problems import EncoderAway, Overloaded, ServiceError

pytestmark = pytest.mark.filterwarnings("ignore:Using extra keyword arguments")  # of Ray's own models
KNOWN = frozenset({"e1"})


class Handle:
    """Answers each call with what the next word says."""

    def __init__(self, words: str) -> None:
        self._outcomes = outcomes(words)
        self.checksums = self

    async def remote(self) -> object:
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def outcomes(words: str) -> Iterator[object]:
    from ray.exceptions import RayActorError
    from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

    for word in words.split():
        if word == "dies":
            yield RayActorError()
        elif word == "full":
            yield BackPressureError(num_queued_requests=1, max_queued_requests=1)
        else:
            yield DeploymentUnavailableError("encoder") if word == "none" else KNOWN


def checksums(words: str) -> frozenset[str]:
    from serve.embedder import RemoteEncoder

    handle: Any = Handle(words)
    return asyncio.run(RemoteEncoder(handle).checksums())


def test_a_replica_that_ends_meanwhile_is_not_the_last_word() -> None:
    """What it was asked is asked once more."""
    assert checksums("dies answers") == KNOWN


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("dies dies answers", EncoderAway),
        ("dies full", Overloaded),
        ("full answers", Overloaded),
        ("none answers", EncoderAway),
    ],
)
def test_what_does_not_pass_is_a_problem(words: str, problem: type[ServiceError]) -> None:
    """Two ends in a row, a full queue, no replica at all: nothing is asked a third time."""
    with pytest.raises(problem):
        checksums(words)
