"""The server's figures over time, as an operator asks for them."""

import math
from collections.abc import Sequence

from mailhub.model.clock import Clock
from mailhub.store.api import DELAYS, HOUR, MINUTE, Figures, HistoryStore

from . import history_words as words

_BY_MINUTE = 86_400.0  # seconds that are told by the minute; what is asked for beyond is told by the hour


class Histories:
    def __init__(self, store: HistoryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def show(self, request: words.HistoryShow) -> words.History:
        step = MINUTE if request.seconds <= _BY_MINUTE else HOUR
        width = step * max(1, math.ceil(request.seconds / step / request.rows))
        since = (self._clock.now() - request.seconds) // width * width + width
        rows = await self._store.since(since, step, width)
        return words.History(width=width, since=since, rows=tuple(map(_told, rows)))


def _told(row: Figures) -> words.HistoryRow:
    return words.HistoryRow(
        at=row.at, accepted=row.accepted, refused=row.refused, sent=row.sent, deferred=row.deferred, bounced=row.bounced,
        delay=row.delay / row.sent if row.sent else 0.0, delay_p50=_within(row.delays, 0.5), delay_p99=_within(row.delays, 0.99), queued=row.queued, oldest=row.oldest, sessions=row.sessions,
        memory=row.memory, lag=row.lag,
    )  # fmt: skip


def _within(delays: Sequence[tuple[int, int]], part: float) -> float | None:
    """Seconds within which that part of them was; inside a span as if they lay there evenly."""
    left = part * sum(recipients for _, recipients in delays)
    for span, recipients in delays:
        if left <= recipients:
            begins = DELAYS[span - 1] if span else 0.0
            ends = DELAYS[span] if span < len(DELAYS) else begins
            return begins + (ends - begins) * left / recipients
        left -= recipients
    return None
