"""Under stress the silent go first: those who have not signed in after a few seconds, then whoever has been silent for longest.

A session says since when it waits for its client (`Session.silent_since`); one that does something is left alone. SMTP has times of its own
under stress (`smtp.stress_timeout`), and says nothing here.
"""

import logging

from mailhub.model.clock import Clock, Timer

from .session import Sessions

log = logging.getLogger("mailhub.protocols")

_LOOK = 1.0  # seconds between two looks while it lasts
_PORTION = 20  # of so many sessions one goes at each look while memory is short
BUSY = "Too busy, try again later"


class Shedding:
    """`start()` and `stop()`. Where there is a limit for memory it is looked at all the time, else from when the stress begins."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions, self._clock = sessions, clock
        self._timer: Timer | None = None

    def start(self) -> None:
        self._sessions.on_stress = self._soon
        if self._sessions.limits.memory_limit:
            self._soon()

    def stop(self) -> None:
        self._sessions.on_stress = bool
        if self._timer is not None:
            self._timer.cancel()

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(_LOOK, self._look)

    def _look(self) -> None:
        self._timer = None
        self._sessions.look()
        if self._sessions.stressed:
            self._shed()
        if self._sessions.stressed or self._sessions.limits.memory_limit:
            self._soon()

    def _shed(self) -> None:
        now, limits = self._clock.monotonic(), self._sessions.limits
        silent = [session for session in self._sessions if session.waits and not session.draining]
        strangers = [one for one in silent if not one.login and now - one.silent_since >= limits.stress_timeout]
        owners = [one for one in silent if one.login and now - one.silent_since >= limits.stress_idle]
        owners.sort(key=lambda session: session.silent_since)
        going = [*strangers, *owners[: max(0, self._too_many() - len(strangers))]]
        for session in going:
            session.farewell = BUSY
            session.drain()
        if going:
            log.warning("under stress: %d silent sessions were sent away", len(going))

    def _too_many(self) -> int:
        many = self._sessions.beyond
        return max(many, 1 + len(self._sessions) // _PORTION) if self._sessions.full else many
