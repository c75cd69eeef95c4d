"""What DMARC found, counted for the daily reports of RFC 9990: in memory first, in the store soon.

What can not be counted because there is too much of it is left out of the reports; mail never waits for them.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from mailhub.message.dmarc_reporting import Finding
from mailhub.model.clock import Clock
from mailhub.store.api import DmarcCount, DmarcStore

_DAY = 86_400


class DmarcCounts:
    """`count` for each message, `flush` every now and then. `limit`: rows of one day, `domain_limit`: of one domain in it. `on_first` is called when there is something to
    flush."""

    def __init__(self, store: DmarcStore, clock: Clock, limit: int, domain_limit: int) -> None:
        self._store, self._clock, self._limits = store, clock, (limit, domain_limit)
        self._counts: Counter[DmarcCount] = Counter()
        self.on_first: Callable[[], object] = lambda: None

    def count(self, domain: str, found: Finding) -> None:
        """`domain`: that of the record, which is told."""
        if not self._counts:
            self.on_first()
        row = DmarcCount(int(self._clock.now() // _DAY), domain, msgspec.json.encode(found).decode())
        if row in self._counts or len(self._counts) < self._limits[0]:
            self._counts[row] += 1

    async def flush(self) -> None:
        """Into the store. Temporary where it can not take them; they are kept then."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._store.add(dict(counts), *self._limits)
        except BaseException:
            self._counts.update(counts)
            raise
