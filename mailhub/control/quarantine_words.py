"""What can be asked of the quarantine and done to it."""

from msgspec import Struct

from .queue_words import QueueAct, QueuedMessage, QueueText, Which
from .request import Page, Request
from .route_words import Address


class Found(Struct, frozen=True, kw_only=True):
    """What one check found: its word, its part of the score, and why."""

    check: str
    result: str
    score: float
    reason: str


class Quarantined(Struct, frozen=True, kw_only=True):
    """A message in quarantine, and what the checks said of it."""

    message: QueuedMessage
    score: float
    found: tuple[Found, ...]


class QuarantineText(Struct, frozen=True, kw_only=True):
    """The same with its origin and header."""

    quarantined: Quarantined
    text: QueueText


class QuarantineList(Request[tuple[Quarantined, ...]], frozen=True, kw_only=True, tag="quarantine.list"):
    """Oldest first. `account` in all of these: only what is for its addresses and nobody else's; "": everything, and for who
    administers domains what is for those and nobody else."""

    account: Address = ""
    which: Which = Which()
    after: str = ""
    limit: Page = 100


class QuarantineShow(Request[QuarantineText], frozen=True, kw_only=True, tag="quarantine.show"):
    id: str
    account: Address = ""


class QuarantineRelease(QueueAct, frozen=True, kw_only=True, tag="quarantine.release"):
    """Due now; delivered as if no check had spoken against it."""

    account: Address = ""


class QuarantineDelete(QueueAct, frozen=True, kw_only=True, tag="quarantine.delete"):
    """Gone, without a report to anybody."""

    account: Address = ""
