"""What most modules here ask: a catalogue in memory, the service over it, and a clip of its second song."""

from collections.abc import Iterator

import httpx
import pytest

from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.world import World, noisy


@pytest.fixture(scope="module")
def world() -> World:
    return World.with_songs()


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world.api()) as client:
        yield client


@pytest.fixture(scope="module")
def clip(world: World) -> bytes:
    return wav(noisy(world.clip(2, 17.3, 8.0)))
