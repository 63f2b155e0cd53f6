"""Whether something that is looked at again and again is there; one failed look does not say that it is gone."""

OK, DEGRADED, UNREADY = "ok", "degraded", "not ready"


class Standing:
    """What the last looks said; one that has never been there is gone at the first failure. Threads may share it."""

    def __init__(self, failures: int, state: str = "not looked at yet") -> None:
        self.state = state  # OK, or what is wrong
        self._failures = failures  # in a row, until it is gone
        self._failed = 0

    @property
    def there(self) -> bool:
        return self.state == OK

    def succeeded(self) -> None:
        self.state, self._failed = OK, 0

    def failed(self, reason: str) -> None:
        self._failed += 1
        if not self.there or self._failed >= self._failures:
            self.state = reason

    def lost(self, reason: str) -> None:
        """Gone for sure, without another look."""
        self.state = reason
