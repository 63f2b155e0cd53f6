"""Requests made up from the API's own description: whatever fits it, or just misses it, is answered as it promises."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.live import serving
from tests.service.world import World

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [
    ("POST", "/v1/identify"),
    ("POST", "/v1/embed"),
    ("POST", "/v1/search"),
    ("POST", "/v1/timeline"),
    ("GET", "/v1/tracks"),
    ("GET", "/v1/tracks/{track_id}"),
    ("GET", "/v1/tracks/{track_id}/duplicates"),
    ("DELETE", "/v1/tracks/{track_id}"),
    ("GET", "/v1/info"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def schema() -> Iterator[Any]:
    """The description of the real application, on a socket."""
    with serving(World.with_songs().api("bounds.timelines=8")) as client:
        yield schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")


def test_every_operation_is_tried(schema: Any) -> None:
    """What the description names is what is tried here."""
    described = {(found.ok().method.upper(), found.ok().path) for found in schema.get_all_operations()}
    assert described == set(OPERATIONS)


def _tried(schema: Any, method: str, path: str, examples: int) -> None:
    """No answer outside the description, and none that is a bug."""

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy())
    def answered_as_promised(case: Any) -> None:
        response = case.call(timeout=30)
        assert response.status_code != 500, response.text
        case.validate_response(response, checks=CHECKS)

    attempt: Callable[[], None] = answered_as_promised
    attempt()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_requests_from_the_description(schema: Any, method: str, path: str) -> None:
    """A few requests of every operation."""
    _tried(schema, method, path, 15)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_many_requests_from_the_description(schema: Any, method: str, path: str) -> None:
    """Two thousand of each."""
    _tried(schema, method, path, 2_000)
