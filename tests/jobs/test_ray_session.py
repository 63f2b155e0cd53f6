"""Starting Ray: a busy machine is given time, and what went wrong meanwhile is told."""

import logging
from collections.abc import Callable

import pytest
import ray

from conf import compose
from ingest.config import IngestConfig
from ingest.errors import PreflightError
from ingest.ray_session import START_ATTEMPTS, ray_session

OPTIONS = ["home=elsewhere", "catalog.path=music", "compute=cluster", "compute.address=ray://elsewhere:10001"]
ELSEWHERE = compose("ingest", OPTIONS, IngestConfig).compute
REASON = "the node took too long"


def failing(times: int) -> Callable[..., None]:
    """`ray.init` on a machine where it fails so many times first."""
    left = iter(range(times))

    def init(**_: object) -> None:
        if next(left, None) is not None:
            raise RuntimeError(f"{REASON}\nand more")

    return init


def reasons(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [vars(record)["reason"] for record in caplog.records if record.getMessage() == "Ray did not start"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")
def test_a_start_that_fails_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ray, "init", failing(1))
    with caplog.at_level(logging.WARNING), ray_session(ELSEWHERE):
        assert reasons(caplog) == [REASON]


def test_starts_that_all_fail_are_a_preflight_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ray, "init", failing(START_ATTEMPTS))
    with pytest.raises(PreflightError, match=REASON), ray_session(ELSEWHERE):
        pass
    assert reasons(caplog) == [REASON] * START_ATTEMPTS
