"""The history of figures: each minute what came, went and waited is written down."""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mailhub.config.history import History
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.store.api import MINUTE, Figures, HistoryStore

from .daily import Repeated, log

COUNTED = ("accepted", "refused", "sent", "deferred", "bounced", "delay")


class Recording(Repeated):
    """`reading`: the counts since the start of the server, and the rest as it is now."""

    def __init__(
        self, config: History, store: HistoryStore, reading: Callable[[], Awaitable[Figures]], clock: Clock
    ) -> None:
        super().__init__("the history", self._minute, clock, lambda now: (now // MINUTE + 1) * MINUTE)
        self._config, self._store, self._reading = config, store, reading
        self._told: Figures | None = None  # what is written down

    async def stop(self) -> None:
        await self._minute()
        await super().stop()

    async def _minute(self) -> None:
        """Of the minute that is over. The first call is at the start, when there is nothing to tell."""
        if self._told is None:
            self._told = Figures(0)
            return
        now = await self._reading()
        began = int(max(0.0, self._clock.now() - 1) // MINUTE * MINUTE)
        since = {name: getattr(now, name) - getattr(self._told, name) for name in COUNTED}
        before = dict(self._told.delays)
        delays = tuple((span, more) for span, count in now.delays if (more := count - before.get(span, 0)))
        try:
            await self._store.add(
                replace(now, at=began, delays=delays, **since), self._config.minutes, self._config.hours
            )
        except MailError as error:
            log.warning("the figures of this minute are not kept now: %s", error)
            return
        self._told = now
