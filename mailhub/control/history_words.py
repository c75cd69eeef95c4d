"""What can be asked about the server's figures over time."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Request


class HistoryRow(Struct, frozen=True, kw_only=True):
    """Counted from the wall time `at` on: messages accepted; recipients and messages refused; recipients sent, deferred and bounced.
    `delay`: mean seconds from arrival to delivery; `delay_p50`, `delay_p99`: half of the recipients, and 99 of 100, had it within so many, as
    far as the spans tell by which they are counted (1, 2, 5, 10 ...); None where none was sent, or an older server counted. The most there was meanwhile: recipients in the queue, seconds that the oldest had
    waited, sessions, octets of memory, seconds that the event loop took to answer."""

    at: float
    accepted: int
    refused: int
    sent: int
    deferred: int
    bounced: int
    delay: float
    delay_p50: float | None
    delay_p99: float | None
    queued: int
    oldest: float
    sessions: int
    memory: int
    lag: float


class History(Struct, frozen=True, kw_only=True):
    """`width`: seconds of one row, from `since` on. A row that is not there: the server did not run."""

    width: int
    since: float
    rows: tuple[HistoryRow, ...]


class HistoryShow(Request[History], frozen=True, kw_only=True, tag="history.show"):
    """Figures of the last `seconds`, in at most so many rows."""

    seconds: Annotated[float, Meta(ge=60, le=366 * 86_400)] = 86_400.0
    rows: Annotated[int, Meta(ge=1, le=1_000)] = 300
