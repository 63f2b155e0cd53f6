"""Lines of the service: one for every request, with its id."""

import logging

import pytest
from structlog.contextvars import get_contextvars

from tests.service.live import serving
from tests.service.sounds import wav
from tests.service.world import World, noisy


class Lines(logging.Handler):
    """Route, status, level and id of each request that is told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        told = record.__dict__
        self.seen.append((told["route"], told["status"], record.levelno, get_contextvars()["request_id"]))


def test_every_request_is_a_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    """What was asked, and how it ended; looks at health are for who debugs, a bug is a warning, a refusal is none."""
    world, lines = World.with_songs(), Lines()
    clip = wav(noisy(world.clip(2, 17.3, 8.0)))
    logger = logging.getLogger("serve.edge")
    logger.addHandler(lines)
    try:
        with (
            caplog.at_level(logging.DEBUG, "serve.edge"),
            serving(world.api("poll_s=30", "lookups.cache_s=0.001")) as client,
        ):
            client.post("/v1/identify", content=clip, headers={"x-request-id": "clip"})
            client.post("/v1/identify", content=b"words", headers={"x-request-id": "words"})
            client.get("/healthz", headers={"x-request-id": "look"})
            world.catalog.failure = RuntimeError("a bug")
            client.post("/v1/identify", content=clip, headers={"x-request-id": "bug"})
    finally:
        logger.removeHandler(lines)
    assert lines.seen == [
        ("/v1/identify", 200, logging.INFO, "clip"),
        ("/v1/identify", 422, logging.INFO, "words"),
        ("/healthz", 200, logging.DEBUG, "look"),
        ("/v1/identify", 500, logging.WARNING, "bug"),
    ]
