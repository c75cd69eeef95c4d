"""What can be asked of the queue and done to it, and what is answered."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Page, Request
from .trace_words import Step


class Which(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages are meant: all that fit every field given. `older_than`, `newer_than`: seconds since arrival."""

    ids: Annotated[tuple[str, ...], Meta(max_length=10_000)] = ()
    sender: str | None = None
    recipient: str | None = None
    states: tuple[str, ...] = ()
    older_than: float | None = None
    newer_than: float | None = None


class QueuedTo(Struct, frozen=True, kw_only=True):
    """A recipient in the queue. `due`: wall time of the next attempt; `last`: what the last one came to,
    `tried` when and by which `tls`; `deadline`: an attempt
    that fails from then on is the last one. `named`: the address that the sender gave, where an alias led on from there; else ""."""

    address: str
    state: str
    due: float
    attempts: int
    last: str
    remote: str
    deadline: float
    tls: str = ""
    tried: float = 0.0
    named: str = ""


class QueuedMessage(Struct, frozen=True, kw_only=True):
    """A message in the queue."""

    id: str
    sender: str
    created: float
    size: int
    recipients: tuple[QueuedTo, ...]


class QueueText(Struct, frozen=True, kw_only=True):
    """A message with its origin and its header. `header`: as stored, for people to read."""

    message: QueuedMessage
    client: str
    helo: str
    login: str
    protocol: str
    tls: str
    header: str
    history: tuple[Step, ...] = ()


class QueueRow(Struct, frozen=True, kw_only=True):
    """Recipients of one domain in one state; `oldest`: when the oldest message for the domain came."""

    domain: str
    state: str
    recipients: int
    oldest: float


class QueueTotals(Struct, frozen=True, kw_only=True):
    """The queue in numbers; `rows` biggest first, bounded."""

    messages: int
    recipients: int
    rows: tuple[QueueRow, ...]


class AgeRow(Struct, frozen=True, kw_only=True):
    """Recipients of a domain by the age of their messages; `counts` has one number for each edge, and one for what is older."""

    domain: str
    counts: tuple[int, ...]


class Ages(Struct, frozen=True, kw_only=True):
    """`edges`: seconds, ascending. Counting ends at `limit` recipients of one domain and age."""

    edges: tuple[float, ...]
    limit: int
    rows: tuple[AgeRow, ...]


class Touched(Struct, frozen=True, kw_only=True):
    """What one step of an action came to: messages it reached, of so many that it looked at; `after`: ask again with it, ""
    where all is done."""

    messages: int
    seen: int = 0
    after: str = ""


class QueueList(Request[tuple[QueuedMessage, ...]], frozen=True, kw_only=True, tag="queue.list"):
    which: Which = Which()
    after: str = ""
    limit: Page = 100


class QueueSummary(Request[QueueTotals], frozen=True, kw_only=True, tag="queue.summary"):
    pass


class QueueAges(Request[Ages], frozen=True, kw_only=True, tag="queue.ages"):
    """Domains with the most recipients, as qshape shows them."""

    domains: Annotated[int, Meta(ge=1, le=100)] = 20


class QueueShow(Request[QueueText], frozen=True, kw_only=True, tag="queue.show"):
    id: str


class QueuePart(Struct, frozen=True, kw_only=True):
    """Octets of a message as it is stored, and how many it has in all."""

    data: bytes
    size: int


class QueueRead(Request[QueuePart], frozen=True, kw_only=True, tag="queue.read"):
    """The message itself, block by block."""

    id: str
    offset: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=1, le=1_048_576)] = 65_536


class QueueAct(Request[Touched], frozen=True, kw_only=True):
    """Base of the actions on messages: one bounded step, from above the id `after`."""

    which: Which
    after: str = ""


class QueueRetry(QueueAct, frozen=True, kw_only=True, tag="queue.retry"):
    """Due now. Held ones stay held."""


class QueueHold(QueueAct, frozen=True, kw_only=True, tag="queue.hold"):
    """Not attempted before they are released; those under delivery are held when they are deferred."""


class QueueRelease(QueueAct, frozen=True, kw_only=True, tag="queue.release"):
    """Held ones are due now."""


class QueueRequeue(QueueAct, frozen=True, kw_only=True, tag="queue.requeue"):
    """Routed again, as if they had just come: due now, held or not."""


class QueueRemove(QueueAct, frozen=True, kw_only=True, tag="queue.remove"):
    """Deleted without a bounce; those under delivery are left alone."""
