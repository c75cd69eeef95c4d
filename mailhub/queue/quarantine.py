"""Mail that is held because its verdict says so, kept within its bounds. What is let go is ordinary mail of the queue."""

import logging

from mailhub.config import schema
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.store.api import Act, QueueFilter, QueueStore

log = logging.getLogger("mailhub.queue")

ALL = QueueFilter(quarantined=True)
_AT_ONCE = 100  # messages that are looked at in one step


class Quarantine:
    """`config` may be changed. Sizes are counted when it starts and when they seem to be too much, and else added up."""

    def __init__(self, store: QueueStore, config: schema.Quarantine, clock: Clock) -> None:
        self.config, self._store, self._clock = config, store, clock
        self._octets = 0

    async def grown(self, octets: int) -> None:
        """A message of that size came in; beyond `size_limit` the oldest ones go."""
        self._octets += octets
        if self._octets <= self.config.size_limit:
            return
        try:
            await self._shrink()
        except MailError as error:
            log.warning("the quarantine can not be brought below its limit now: %s", error)

    async def work(self) -> None:
        """Once a day: what is too old goes."""
        now = self._clock.now()
        which = QueueFilter(quarantined=True, older_than=now - self.config.lifetime)
        if gone := await self._store.act_on_all(Act.REMOVE, which, now):
            log.info("quarantine: %d messages are older than quarantine.lifetime and deleted", gone)
        await self._shrink()

    async def _shrink(self) -> None:
        _, self._octets = await self._store.quarantine_size()
        while self._octets > self.config.size_limit and (page := await self._store.page(ALL, 0, _AT_ONCE)):
            gone: list[int] = []
            for item in page:
                if self._octets <= self.config.size_limit:
                    break
                gone.append(item.id)
                self._octets -= item.content.size
            log.warning("quarantine: over quarantine.size_limit, deleted: %s", ", ".join(map(ids.text, gone)))
            await self._store.act(Act.REMOVE, QueueFilter(ids=tuple(gone), quarantined=True), self._clock.now())
