"""Whose turn it is at a maildrop: one session at a time, and not too often, where the options say so (RFC 2449)."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from mailhub.config.schema import Pop3
from mailhub.model.clock import Clock

_LIMIT = 100_000  # accounts whose last login is remembered


class NotNow(Exception):
    """The text begins with the response code that says why."""


class Turns:
    """One per hub, for all its POP3 doors."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: Counter[str] = Counter()  # sessions in TRANSACTION
        self._last: OrderedDict[str, float] = OrderedDict()  # monotonic time of the last login, longest ago first

    @contextmanager
    def taken(self, account: str, options: Pop3) -> Iterator[None]:
        """Held by a session from its login on. NotNow where `options.exclusive` or `options.login_delay` forbid one."""
        now = self._clock.monotonic()
        if options.exclusive and self._open[account]:
            raise NotNow("[IN-USE] Another session has this maildrop open")  # RFC 2449 section 8.1.1
        if now - self._last.get(account, -options.login_delay) < options.login_delay:
            raise NotNow(f"[LOGIN-DELAY] Wait {options.login_delay:.0f} seconds between logins")
        if options.login_delay:
            self._remember(account, now)
        self._open[account] += 1
        try:
            yield
        finally:
            self._open[account] -= 1
            if not self._open[account]:
                del self._open[account]

    def _remember(self, account: str, now: float) -> None:
        self._last[account] = now
        self._last.move_to_end(account)
        if len(self._last) > _LIMIT:
            self._last.popitem(last=False)
