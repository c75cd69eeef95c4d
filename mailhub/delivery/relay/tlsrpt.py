"""Sessions counted for the daily reports of RFC 8460: by day, domain, policy and result. In memory first, in the store soon.

What can not be counted because there is too much of it is left out of the reports; mail never waits for them.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.store.api import TlsCount, TlsStore

from .demand import Basis

# Origin of the reports, whose own sessions are not counted: they would call for reports without end (RFC 8460 section 5.3).
TLS_REPORT = "tls-report"
_DAY = 86_400
_DETAIL = 200  # characters
_POLICY = 4_000  # characters of a policy that each row repeats; it may have 64 KiB (RFC 8461 section 3.3)


class Session(Struct, frozen=True):
    """One attempt to speak TLS with a mail host. `source`: our address; `result`: RFC 8460's word, "" for success."""

    host: str
    address: str
    source: str = ""
    result: str = ""
    detail: str = ""


class TlsSessions:
    """`count` for each session, `flush` every now and then. `limit`: rows of one day; more are not counted. `on_first` is called
    when there is something to flush."""

    def __init__(self, store: TlsStore, clock: Clock, limit: int) -> None:
        self._store, self._clock, self._limit = store, clock, limit
        self._counts: Counter[TlsCount] = Counter()
        self.on_first: Callable[[], object] = lambda: None

    def count(self, domain: str, basis: Basis, session: Session) -> None:
        """Successes are counted without their hosts: reports tell only of failures where they were."""
        failed = bool(session.result)
        row = TlsCount(
            day=int(self._clock.now() // _DAY),
            domain=domain,
            kind=basis.kind,
            policy=json.dumps([_shortened(basis.lines), _shortened(basis.mx)]),
            result=session.result,
            source=session.source if failed else "",
            host=session.host if failed else "",
            address=session.address if failed else "",
            detail=session.detail[:_DETAIL],
        )
        if not self._counts:
            self.on_first()
        if row in self._counts or len(self._counts) < self._limit:
            self._counts[row] += 1

    async def flush(self) -> None:
        """Into the store. Temporary where it can not take them; they are kept then."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._store.add_sessions(dict(counts), self._limit)
        except BaseException:
            self._counts.update(counts)
            raise


def _shortened(lines: Sequence[str]) -> list[str]:
    """As many of them as may stand in a row."""
    room = itertools.accumulate(lines, lambda left, line: left - len(line), initial=_POLICY)
    return [line for line, left in zip(lines, itertools.islice(room, 1, None), strict=False) if left >= 0]
