"""SIGTERM and SIGINT as an exception in the main thread."""

import signal
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopRequest(BaseException):
    """A signal came. No Exception: nothing that handles errors eats it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def arm() -> None:
    """Make the first signal a StopRequest. Ray takes SIGTERM for itself when it starts: arm again after that."""
    for number in NUMBERS:
        signal.signal(number, _stop)


def disarm() -> None:
    """From here on signals are ignored: the end has begun, and it is bounded in time."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    disarm()
    raise StopRequest(number)
