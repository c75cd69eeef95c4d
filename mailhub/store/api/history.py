"""Figures of the server over time."""

from typing import Protocol

from msgspec import Struct

MINUTE, HOUR = 60, 3_600
# Seconds from arrival to delivery are counted by these: up to the first, up to the second, ..., and beyond the last.
DELAYS = tuple(digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5))


class Figures(Struct, frozen=True):
    """From the wall time `at` on, for a minute, an hour, or what was asked for. Counted meanwhile: messages `accepted`, recipients and messages
    `refused`; recipients `sent`, `deferred` and `bounced`; `delay`: seconds from arrival to delivery of those sent, together. The
    most there was: recipients in the queue (`queued`), seconds that the oldest had waited, sessions, octets of memory, seconds of `lag`.
    `delays`: recipients sent, by the spans of DELAYS, (span, recipients) in their order; none for those of older servers."""

    at: int
    accepted: int = 0
    refused: int = 0
    sent: int = 0
    deferred: int = 0
    bounced: int = 0
    delay: float = 0.0
    queued: int = 0
    oldest: float = 0.0
    sessions: int = 0
    memory: int = 0
    lag: float = 0.0
    delays: tuple[tuple[int, int], ...] = ()


class HistoryStore(Protocol):
    """Kept by the minute for a while, and by the hour for longer."""

    async def add(self, row: Figures, minutes: float, hours: float) -> None:
        """Of one minute: counts are added to what the minute and its hour have. Rows older than so many seconds go."""
        ...

    async def since(self, at: float, step: int, width: int) -> list[Figures]:
        """Rows from then on, oldest first, as many of the `step` (MINUTE or HOUR) made one as fill `width` seconds."""
        ...
