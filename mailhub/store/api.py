"""What any store can do, in units and never in rows: queue, mailboxes, directory.

Two implementations exist or will: `store.sqlite` (embedded) and a MySQL-compatible cluster. Every method may raise
`model.errors.Temporary` (busy, disk full, I/O error: outcome unknown, the same unit may be given again).

Content is a *prefix* (what we put before: Received, stamps; small) and a *body* (as received, immutable).
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from mailhub.model.envelope import PLAIN, MailParameters, Origin
from mailhub.model.mailbox import Changed, Changes, FlagOp, Folder, MessageRow, View
from mailhub.model.reply import Reply

# --- content ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Body:
    """A finished body of `size` octets: `data` where it is small, else `spool`, the name of a synced file."""

    size: int
    data: bytes | None = None
    spool: str | None = None


class BodyWriter(Protocol):
    """Takes a body in blocks as they come from the net. `feed` never blocks; large bodies go to a spool file.

    The caller stops reading from the net while `backlog` is large, and awaits `drain()`.
    """

    size: int

    @property
    def backlog(self) -> int:
        """Octets taken and not yet handed to the disk."""
        ...

    def feed(self, block: bytes) -> None: ...

    async def drain(self) -> None:
        """Wait until the backlog is gone; raises Temporary where the disk refused."""
        ...

    async def finish(self) -> Body:
        """The body, synced if it lies in a file. Nothing may be fed afterwards."""
        ...

    def abort(self) -> None:
        """Throw it away; may be called at any time, also after `finish` when the body was not put."""
        ...


class Content(Protocol):
    """A stored message that can be read: prefix + body. `size` counts both."""

    id: int
    size: int
    prefix: bytes
    body: Body

    async def read(self, offset: int, length: int) -> bytes:
        """Octets of prefix + body from `offset`; shorter only at the end."""
        ...

    def blocks(self, size: int = 262_144) -> AsyncIterator[bytes]:
        """All of it, in blocks."""
        ...


@dataclass(frozen=True, slots=True)
class NewContent:
    """Content to be stored. `id`: that of the queue item or message it is first stored for (`new_id()`)."""

    id: int
    prefix: bytes
    body: Body


# --- queue -----------------------------------------------------------------------------------------------------------


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
    """The result of one attempt for recipient `n`, to be recorded. `due`: the next attempt where DEFERRED."""

    n: int
    fate: Fate
    reply: Reply
    remote: str = ""
    due: float = 0.0
    warned: bool = False
    filings: tuple[Filing, ...] = ()
    children: tuple[NewRecipient, ...] = ()


@dataclass(frozen=True, slots=True)
class Settle:
    """One unit: outcomes of an attempt on `item`, and the messages they give birth to (bounces, reports).

    A recipient that is DELIVERED, RELAYED, FAILED or EXPANDED leaves the queue; the last one takes the item with it.
    Outcomes of recipients that have left already, and `born` with them, are passed over: settling twice does nothing.
    `last`: gives the lease back; an attempt that ends in parts (one for each job) says so with its last part only.
    """

    item: int
    lease: int
    outcomes: tuple[Outcome, ...]
    born: tuple[NewItem, ...] = ()
    last: bool = True


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


# --- mailboxes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copied:
    """What COPY and MOVE did: `source[i]` became `target[i]` in folder `target_folder` (RFC 4315's COPYUID)."""

    target_folder: Folder
    source: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be appended: content, date, flags and what the index keeps of it."""

    body: Body
    date: int
    envelope: bytes
    structure: bytes
    flags: int = 0
    keywords: tuple[str, ...] = ()


class MessageFile(Protocol):
    """An open message. Close it (or use it as an async context manager)."""

    size: int

    async def read(self, offset: int, length: int) -> bytes: ...

    async def __aenter__(self) -> "MessageFile": ...

    async def __aexit__(self, *exc: object) -> None: ...


class MailboxStore(Protocol):
    """Folders and messages of accounts. Folders are named by id once looked up; NotFound where one is gone."""

    def subscribe(self, listener: Callable[[Sequence[Changed]], None]) -> None:
        """`listener` is called on the loop after each commit that changed a mailbox."""
        ...

    async def folders(self, account: str) -> list[Folder]:
        """All folders of the account, INBOX first (it is made, with the Maildir, if missing)."""
        ...

    async def folder(self, folder: int) -> Folder: ...

    async def create(self, account: str, name: str, special_use: str = "") -> Folder:
        """Exists where there is one. Parents that are missing are made."""
        ...

    async def delete(self, folder: int) -> None:
        """With its mail. The UIDVALIDITY of a later folder of that name is higher."""
        ...

    async def rename(self, folder: int, name: str) -> None:
        """With all folders below it. INBOX: its messages are moved into the new folder (RFC 9051 section 6.3.6)."""
        ...

    async def set_subscribed(self, account: str, name: str, subscribed: bool) -> None: ...

    async def subscriptions(self, account: str) -> list[str]:
        """Names subscribed, also of folders that do not exist."""
        ...

    async def view(self, folder: int) -> View: ...

    async def take_recent(self, folder: int) -> int:
        """The first UID that is \\Recent for the caller, and none of those for anybody later."""
        ...

    async def changes(self, folder: int, since: int) -> Changes:
        """All that happened after mod-sequence `since`."""
        ...

    async def rows(self, folder: int, uids: Sequence[int], rendered: bool) -> list[MessageRow]:
        """Rows of those UIDs that exist, ascending; `rendered`: with envelope and structure. At most 1,000 UIDs a call."""
        ...

    async def open(self, folder: int, uid: int) -> MessageFile:
        """NotFound where the message is gone (its file too: then the row is expunged)."""
        ...

    async def append(self, folder: int, messages: Sequence[NewMessage]) -> list[int]:
        """Their UIDs, ascending, in one commit: all or none. The files follow by themselves."""
        ...

    async def set_flags(
        self,
        folder: int,
        uids: Sequence[int],
        op: FlagOp,
        flags: int,
        keywords: Sequence[str] = (),
        unchanged_since: int | None = None,
    ) -> tuple[Folder, list[tuple[int, int, int]], list[int]]:
        """(folder with its keywords, rows (uid, flags, modseq) that are now as asked, UIDs refused by unchanged_since).
        `flags`: system flags only. LimitReached where a folder would have more than MAX_KEYWORDS."""
        ...

    async def copy(self, folder: int, uids: Sequence[int], target: int) -> Copied: ...

    async def move(self, folder: int, uids: Sequence[int], target: int) -> Copied: ...

    async def expunge(self, folder: int, uids: Sequence[int]) -> list[int]:
        """UIDs that are gone by this call."""
        ...

    async def rescan(self, account: str) -> None:
        """Take in what other programs did to the Maildir's files."""
        ...

    async def rebuild(self, account: str, progress: Callable[[int, int], None]) -> None:
        """Drop the account's index and make it again from the files, keeping UIDVALIDITY, UIDs, flags and keywords.
        `progress(done, total)`."""
        ...

    async def stage(self, filing: Filing, content: Content) -> None:
        """Write the message file of a delivery (tmp, then rename), to be indexed by the settling unit."""
        ...

    async def remove_account(self, account: str) -> None:
        """The index of an account that is gone. Its Maildir is left where it is."""
        ...


# --- directory -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account. `name`: its address in key form (model.address.key). `password`: "{SCHEME}..." or "" (no login)."""

    name: str
    password: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An alias: `address` in key form ("@domain" is the domain's catch-all) to one or more addresses."""

    address: str
    targets: tuple[str, ...] = field(default=())


class DirectoryStore(Protocol):
    """The embedded directory's rows. Reads are one row by key."""

    def account(self, name: str) -> AccountRow | None: ...

    def alias(self, address: str) -> AliasRow | None: ...

    def domain(self, name: str) -> bool: ...

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountRow]: ...

    async def aliases(self, after: str = "", limit: int = 1000) -> list[AliasRow]: ...

    async def domains(self) -> list[str]: ...

    async def put_account(self, row: AccountRow, *, replace: bool) -> None:
        """Exists / NotFound where `replace` does not fit what is there."""
        ...

    async def delete_account(self, name: str) -> None: ...

    async def put_alias(self, row: AliasRow) -> None:
        """Sets the alias's targets, whatever they were."""
        ...

    async def delete_alias(self, address: str) -> None: ...

    async def put_domain(self, name: str) -> None: ...

    async def delete_domain(self, name: str) -> None: ...

    async def meta(self, key: str) -> str | None:
        """A small durable note (schema version, whether the demo accounts were made)."""
        ...

    async def set_meta(self, key: str, value: str) -> None: ...


class Store(Protocol):
    """The three together: one lock, one life."""

    @property
    def queue(self) -> QueueStore: ...

    @property
    def mailboxes(self) -> MailboxStore: ...

    @property
    def directory(self) -> DirectoryStore: ...

    async def open(self) -> None:
        """Take the lock, migrate, recover from a crash. MailError with a clear cause where it can not."""
        ...

    async def close(self) -> None:
        """Finish what is under way, write what lags behind (file names, uidlists), give the lock back."""
        ...
