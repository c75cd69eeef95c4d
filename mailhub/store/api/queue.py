"""The queue: what is put, leased and settled."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from mailhub.model.envelope import PLAIN, MailParameters, Origin
from mailhub.model.reply import Reply

from .content import Body, BodyWriter, Content, NewContent
from .suppression import Memory


class State(IntEnum):
    """State of a queued recipient (Postfix's words). ACTIVE is never stored: it means leased by a running process."""

    INCOMING = 0
    ACTIVE = 1
    DEFERRED = 2
    HOLD = 3
    CORRUPT = 4


@dataclass(frozen=True, slots=True)
class NewRecipient:
    """A recipient to be queued. `n` is unique in its item; `depth` counts the expansions it came through."""

    n: int
    address: str
    orcpt: str | None = None
    notify: int = 0
    depth: int = 0
    parent: int | None = None  # n of the recipient it was expanded from
    path: tuple[str, ...] = ()  # addresses it was expanded from, oldest first: loops end here


@dataclass(frozen=True, slots=True)
class NewItem:
    """A message to be queued: the unit of `put`. `id` makes it idempotent. `content`: new, or the id of stored content."""

    id: int
    content: NewContent | int
    sender: str
    recipients: tuple[NewRecipient, ...]
    created: float  # wall time
    due: float  # first attempt, wall time
    parameters: MailParameters = PLAIN
    origin: Origin = Origin()
    held: bool = False  # waits for the operator
    filter: str = ""  # "transport:nexthop" that takes the message instead of its routes


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient as it stands in the queue. `last`: the outcome of the attempt before, `remote` who said it."""

    n: int
    address: str
    orcpt: str | None
    notify: int
    depth: int
    path: tuple[str, ...]
    state: State
    due: float
    attempts: int = 0
    last: Reply | None = None
    remote: str = ""
    warned: bool = False  # a delay report was sent
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A message of the queue with some or all of its recipients."""

    id: int
    content: Content
    sender: str
    created: float
    recipients: tuple[QueuedRecipient, ...]
    parameters: MailParameters = PLAIN
    origin: Origin = Origin()
    filter: str = ""
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Filing:
    """A message file that stands in a Maildir, to be entered in the index by the unit that carries this value.

    `account`, `folder`: where (INBOX is made if missing; for any other folder that is missing, INBOX is taken).
    `file`: base name without flags, unique in the Maildir and the same for each try of one delivery.
    `head`: what stands before `content` in the file (Return-Path, Delivered-To); kept until the file is known synced.
    """

    account: str
    folder: str
    file: str
    head: bytes
    content: int  # id of stored content, or that of the NewContent in the same unit
    size: int  # head + prefix + body
    date: int
    envelope: bytes
    structure: bytes
    flags: int = 0
    keywords: tuple[str, ...] = ()


class Fate(IntEnum):
    """What became of a recipient in one attempt."""

    DELIVERED = 0  # filed, or taken by a peer that reports itself
    RELAYED = 1  # taken by a peer that will not report (RFC 3461 section 5.2.2)
    DEFERRED = 2
    FAILED = 3
    EXPANDED = 4  # replaced by `children`


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt for recipient `n`, to be recorded. `due`: the next attempt where DEFERRED; `held`: none before
    an operator says so."""

    n: int
    fate: Fate
    reply: Reply
    remote: str = ""
    due: float = 0.0
    warned: bool = False
    filings: tuple[Filing, ...] = ()
    children: tuple[NewRecipient, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    """One unit: outcomes of an attempt on `item`, the messages they give birth to (bounces, reports), and what is learnt.

    A recipient that is DELIVERED, RELAYED, FAILED or EXPANDED leaves the queue; the last one takes the item with it.
    Outcomes of recipients that have left already are passed over, and `born` and `memory` with the last of them: settling
    twice does nothing.
    `last`: gives the lease back; an attempt that ends in parts (one for each job) says so with its last part only.
    """

    item: int
    lease: int
    outcomes: tuple[Outcome, ...]
    born: tuple[NewItem, ...] = ()
    last: bool = True
    memory: Memory | None = None


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which queued messages are meant. Empty fields match all; several fields must all match."""

    ids: tuple[int, ...] = ()
    sender: str | None = None  # an address, or "@domain"
    recipient: str | None = None  # an address, or "@domain"
    states: tuple[State, ...] = ()
    older_than: float | None = None  # wall time of arrival


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Recipients by state and domain: `rows` is (domain, state, recipients, oldest arrival), biggest first, bounded."""

    items: int
    recipients: int
    rows: tuple[tuple[str, State, int, float], ...] = ()


class QueueStore(Protocol):
    """The durable half of the queue manager."""

    def new_id(self) -> int:
        """A queue id that was never given before (model.ids)."""
        ...

    def body_writer(self) -> BodyWriter: ...

    async def read_body(self, body: Body) -> bytes:
        """A finished body that was not put yet, whole."""
        ...

    def check_space(self) -> None:
        """Raise LimitReached where free space is below the floor; cheap, for each MAIL and APPEND."""
        ...

    async def put(self, item: NewItem) -> Item:
        """Store one message; after the return it is on disk. The item comes back leased to the caller
        where it is due now and has no more recipients than a lease gives; else with `lease=0`."""
        ...

    async def lease(self, now: float, limit: int) -> list[Item]:
        """Items with recipients due at `now`, oldest first, at most `limit`, each leased to the caller.
        Recipients that are not due are left out. An item that is damaged is set to CORRUPT and logged."""
        ...

    async def next_due(self) -> float | None:
        """When the next recipient that is not leased is due (wall time), None where there is none."""
        ...

    async def settle(self, unit: Settle) -> None:
        """Record an attempt and give the lease back. Filings are indexed and told in the same commit."""
        ...

    async def release(self, item: int, lease: int) -> None:
        """Give a lease back with nothing to record: the recipients stay as they were."""
        ...

    async def page(self, which: QueueFilter, after: int = 0, limit: int = 100) -> list[Item]:
        """Items with all their recipients (leased ones shown as ACTIVE), ascending by id from above `after`."""
        ...

    async def counts(self) -> QueueCounts: ...

    async def hold(self, which: QueueFilter) -> int:
        """Set recipients to HOLD; those under delivery are held when their attempt is deferred. Returns items touched."""
        ...

    async def unhold(self, which: QueueFilter, now: float) -> int:
        """HOLD (and CORRUPT) become DEFERRED and due now."""
        ...

    async def retry(self, which: QueueFilter, now: float) -> int:
        """Due now. Held ones stay held."""
        ...

    async def remove(self, which: QueueFilter) -> int:
        """Delete without a bounce; items under delivery are left alone and not counted."""
        ...
