"""A circuit breaker: after some failures in a row nobody is asked for a while; then one question probes."""

from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary


class Breaker:
    """Closed: all may ask. Open: none may, until `seconds` have passed. Half-open: one asks, and its end decides.

    `limit`: failures in a row that open it. `since`: the wall time at which it opened, 0 while it is closed; `cause`: of the
    last failure.
    """

    __slots__ = ("_clock", "_limit", "_probing", "_seconds", "_until", "cause", "failures", "since")

    def __init__(self, limit: int, seconds: float, clock: Clock) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self.failures = 0
        self.since = 0.0
        self.cause = ""
        self._until = 0.0  # monotonic
        self._probing = False

    @property
    def state(self) -> str:
        if not self.since:
            return "closed"
        return "half-open" if self._probing or self._clock.monotonic() >= self._until else "open"

    def enter(self) -> None:
        """Before a question; one of `well`, `failed` and `left` has to follow. Temporary where it may not be asked."""
        if not self.since:
            return
        if self._probing or self._clock.monotonic() < self._until:
            raise Temporary(f"left alone after {self.failures} failures: {self.cause}")
        self._probing = True

    def well(self) -> None:
        self.failures, self.since, self._probing = 0, 0.0, False

    def failed(self, cause: str) -> None:
        self.failures += 1
        self.cause = cause
        self._probing = False
        if self.failures >= self._limit:
            self.since = self.since or self._clock.now()
            self._until = self._clock.monotonic() + self._seconds

    def left(self) -> None:
        """Neither: the question was given up."""
        self._probing = False
