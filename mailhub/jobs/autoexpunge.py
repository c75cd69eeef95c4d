"""Mail that has been in its folder long enough, such as Trash, is expunged once a day: `mailbox.autoexpunge`."""

import logging
from collections.abc import Sequence

from mailhub.config.schema import AutoExpunge
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.store.api import MailboxStore

log = logging.getLogger("mailhub.jobs")


class Retention:
    """`work` is one day's. What fails in one folder is tried again the next day, and keeps no other from its turn."""

    def __init__(self, rules: Sequence[AutoExpunge], mailboxes: MailboxStore, clock: Clock) -> None:
        self._rules, self._mailboxes, self._clock = rules, mailboxes, clock

    async def work(self) -> None:
        for rule in self._rules:
            await self._apply(rule)

    async def _apply(self, rule: AutoExpunge) -> None:
        before = int(self._clock.now() - rule.age) if rule.age else 0
        folder = gone = 0
        while folders := await self._mailboxes.folders_named(rule.folder, folder):
            for folder in folders:
                try:
                    gone += await self._mailboxes.expire(folder, before, rule.count)
                except MailError as error:
                    log.warning("autoexpunge: folder %d: %s", folder, error)
        if gone:
            log.info("autoexpunge: %d messages of folders %s have been expunged", gone, rule.folder)
