"""Waiting for what comes about by itself, in time."""

import time
from collections.abc import Callable
from contextlib import suppress

WITHIN_S = 60.0  # on a machine that has other things to do


def wait_for(
    condition: Callable[[], object],
    within_s: float = WITHIN_S,
    *,
    every_s: float = 0.1,
    forgiven: type[Exception] | tuple[type[Exception], ...] = (),
    said: Callable[[], str] = str,
) -> None:
    """Poll until it gives something true; `forgiven`, raised, is not yet. Fails with the end of what `said` tells."""
    reasons = forgiven if isinstance(forgiven, tuple) else (forgiven,)
    deadline = time.monotonic() + within_s
    while True:
        with suppress(*reasons):
            if condition():
                return
        assert time.monotonic() < deadline, f"it did not come about within {within_s:g} s: {said()[-4000:]}"
        time.sleep(every_s)
