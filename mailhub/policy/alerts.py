"""What the operator should know of: told in the log under a stable name, and kept for `mailhub status`."""

import logging
from collections import deque

from msgspec import Struct

from mailhub.model.clock import Clock

from .counters import Recent

log = logging.getLogger("mailhub.policy")

KEPT = 100  # alerts
AGAIN = 86_400.0  # seconds after which the same is told again
SUBJECTS = 10_000  # of alerts told, remembered


class Alert(Struct, frozen=True):
    """`event`: a stable name such as "account-message-limit"; `subject`: the account or client it is about."""

    time: float
    event: str
    subject: str
    cause: str


class Alerts:
    """The last ones, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Alert] = deque(maxlen=KEPT)
        self._told: Recent[tuple[str, str, str], bool] = Recent(AGAIN, SUBJECTS)

    def raise_(self, event: str, subject: str, cause: str, period: str = "") -> None:
        """Once for each event, subject and `period` (a day, say), and again after a day."""
        now = self._clock.monotonic()
        if self._told.get((event, subject, period), now):
            return
        self._told.put((event, subject, period), True, now)
        self._kept.append(Alert(self._clock.now(), event, subject, cause))
        log.error("alert %s: %s: %s", event, subject, cause)

    def all(self) -> tuple[Alert, ...]:
        return tuple(self._kept)
