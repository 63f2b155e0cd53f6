"""Time that a test sets."""


class Clock:
    """Stands still until `now` is changed; seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
