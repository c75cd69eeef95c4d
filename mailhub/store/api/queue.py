"""The queue: what is put, leased and settled."""

from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from typing import Protocol

from msgspec import Struct

from mailhub.model.envelope import PLAIN, MailParameters, Origin
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Verdict

from .content import Body, BodyWriter, Content, NewContent
from .sieve import SieveMark
from .suppression import Memory
from .webhooks import Notice


class State(IntEnum):
    """State of a queued recipient (Postfix's words). ACTIVE: leased by a running process."""

    INCOMING = 0
    ACTIVE = 1
    DEFERRED = 2
    HOLD = 3
    CORRUPT = 4


class NewRecipient(Struct, frozen=True):
    """A recipient to be queued. `n` is unique in its item; `depth` counts the expansions it came through. `path`: what it was
    expanded from, oldest first: loops end here. `sender`: its reverse-path, None for the message's."""

    n: int
    address: str
    orcpt: str | None = None
    notify: int = 0
    depth: int = 0
    parent: int | None = None  # n of the recipient it was expanded from
    path: tuple[str, ...] = ()
    sender: str | None = None


class NewItem(Struct, frozen=True):
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
    in_line: bool = False  # waits for its turn to be leased, though it is due
    verdict: Verdict = UNJUDGED
    mark: SieveMark | None = None  # remembered in the same unit


class QueuedRecipient(Struct, frozen=True):
    """A recipient as it stands in the queue. `last`: the outcome of the attempt before, `remote` who said it, `tls` how
    it was reached, `tried` when."""

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
    tls: str = ""
    tried: float = 0.0
    sender: str | None = None  # its own reverse-path, None for the message's


class Item(Struct, frozen=True):
    """A message of the queue with some or all of its recipients. `whole`: the lease has all that the queue has of them."""

    id: int
    content: Content
    sender: str
    created: float
    recipients: tuple[QueuedRecipient, ...]
    parameters: MailParameters = PLAIN
    origin: Origin = Origin()
    filter: str = ""
    lease: int = 0
    whole: bool = False
    verdict: Verdict = UNJUDGED


class Filing(Struct, frozen=True):
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


class Outcome(Struct, frozen=True):
    """The result of one attempt for recipient `n`, to be recorded. `due`: the next attempt where DEFERRED; `held`: none before
    an operator says so."""

    n: int
    fate: Fate
    reply: Reply
    remote: str = ""
    tls: str = ""
    when: float = 0.0  # of the reply, wall time
    due: float = 0.0
    warned: bool = False
    filings: tuple[Filing, ...] = ()
    children: tuple[NewRecipient, ...] = ()
    held: bool = False


class Birth(Struct, frozen=True):
    """A message that a delivery gives birth to (an answer, a redirect that changed the header). `once`: it is not born where that
    mark is remembered already, and else is remembered in the same unit. `item.due` is when it is first tried."""

    item: NewItem
    once: SieveMark | None = None


class Settle(Struct, frozen=True):
    """One unit: outcomes of an attempt on `item`, the messages they give birth to (bounces, reports), and what is learnt.

    A recipient that is DELIVERED, RELAYED, FAILED or EXPANDED leaves the queue; the last one takes the item with it.
    Outcomes of recipients that have left already are passed over, and `born` and `memory` with the last of them: settling
    twice does nothing.
    `contents`: of filings that are not the item's own (a script changed the header); `births` and `marks`: of Sieve scripts.
    `notices`: what programs of others are told, each with the outcome that it tells of.
    `reached`: addresses (model.address.key) of those who leave, where others stay that may yet be expanded: no child of this
    message is made for them any more. Forgotten with the item.
    `last`: gives the lease back; an attempt that ends in parts (one for each job) says so with its last part only.
    """

    item: int
    lease: int
    outcomes: tuple[Outcome, ...]
    born: tuple[NewItem, ...] = ()
    last: bool = True
    memory: Memory | None = None
    contents: tuple[NewContent, ...] = ()
    births: tuple[Birth, ...] = ()
    marks: tuple[SieveMark, ...] = ()
    reached: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


class QueueFilter(Struct, frozen=True):
    """Which queued messages are meant. Empty fields match all; several fields must all match."""

    ids: tuple[int, ...] = ()
    sender: str | None = None  # an address, or "@domain"
    recipient: str | None = None  # an address, or "@domain"
    states: tuple[State, ...] = ()
    older_than: float | None = None  # wall time of arrival: before
    newer_than: float | None = None  # at or after
    quarantined: bool = False  # held because its verdict says so


class Act(Enum):
    """What an operator does to queued messages."""

    HOLD = "hold"  # those under delivery are held when their attempt is deferred
    UNHOLD = "unhold"  # HOLD (and CORRUPT) become DEFERRED and due now
    RETRY = "retry"  # due now; held ones stay held
    REQUEUE = "requeue"  # as if just come, whatever they were: due now, no attempts made
    REMOVE = "remove"  # deleted without a bounce; items under delivery are left alone


class Step(Struct, frozen=True):
    """A part of an act: messages `touched` of those `seen`, up to id `after`; None: there are no more."""

    touched: int
    seen: int
    after: int | None


class Busy(Struct, frozen=True):
    """Whose mail is not to be leased now: domains that have their share of the active set, and senders."""

    domains: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()


NOBODY = Busy()


class QueueCounts(Struct, frozen=True):
    """Recipients by state and domain: `rows` is (domain, state, recipients, arrival of the domain's oldest message),
    biggest first, bounded."""

    items: int
    recipients: int
    rows: tuple[tuple[str, State, int, float], ...] = ()


class QueueStore(Protocol):
    """The durable half of the queue manager."""

    @property
    def interrupted(self) -> Sequence[tuple[int, str]]:
        """Items and addresses that were under delivery when the process before ended, as far as it did not end by itself."""
        ...

    def watch(self, listener: Callable[[], None]) -> None:
        """Call `listener` when others that share the store may have left something that is due."""
        ...

    def new_id(self) -> int:
        """A queue id that was never given before (model.ids)."""
        ...

    def body_writer(self, room: Callable[[], int] | None = None) -> BodyWriter:
        """`room`: asked where the body is large; octets that delivery will put before it, as far as can be told now. Its file then becomes
        that of the mailbox where it is just as many."""
        ...

    async def read_body(self, body: Body, offset: int, length: int) -> bytes:
        """Octets of a finished body that was not put yet; shorter only at the end."""
        ...

    def check_space(self) -> None:
        """Raise LimitReached where free space is below the floor; cheap, for each MAIL and APPEND."""
        ...

    async def put(self, item: NewItem) -> Item:
        """Store one message; after the return it is on disk. The item comes back leased to the caller where it is due now,
        neither held nor in line, and has no more recipients than a lease gives; else with `lease=0`."""
        ...

    async def lease(self, now: float, limit: int, busy: Busy = NOBODY) -> list[Item]:
        """Items with recipients due at `now`, at most `limit`, each leased to the caller: an urgent part (MT-PRIORITY)
        first, then in turn by domain and sender, longest due first, past those who are busy.

        A lease has all recipients of an item that are due, up to a number, and first those who are not busy; others of the
        same item may be leased beside them. An item that is damaged is set to CORRUPT and logged."""
        ...

    async def next_due(self, busy: Busy = NOBODY) -> float | None:
        """When the next recipient that is not leased, and of nobody who is busy, is due (wall time; or sooner), None where
        there is none."""
        ...

    async def settle(self, unit: Settle) -> None:
        """Record an attempt and give the lease back. Filings are indexed and told in the same commit."""
        ...

    async def release(self, item: int, lease: int, due: float | None = None) -> None:
        """Give a lease back with nothing to record: the recipients that are not settled stay as they were, or are due at
        that time. Never fails: what cannot be stored now is before the next lease."""
        ...

    async def page(self, which: QueueFilter, after: int = 0, limit: int = 100) -> list[Item]:
        """Items with all their recipients, ascending by id from above `after`."""
        ...

    async def counts(self) -> QueueCounts:
        """Cheap, however much there is."""
        ...

    async def ages(self, edges: Sequence[float], domains: int, limit: int) -> list[tuple[str, tuple[int, ...]]]:
        """Recipients of the domains with the most of them by the arrival of their messages: from `edges[0]` on (wall times,
        descending), between each and the one before, and before the last. Each count ends at `limit`."""
        ...

    async def quarantine_size(self) -> tuple[int, int]:
        """Messages that are held because their verdict says so, and their octets; it goes over all of them."""
        ...

    async def act(self, act: Act, which: QueueFilter, now: float, after: int = 0) -> Step:
        """A bounded step of an act on all that the filter means: ids above `after`."""
        ...

    async def act_on_all(self, act: Act, which: QueueFilter, now: float) -> int:
        """Step by step to the end. Returns how many messages were touched."""
        ...
