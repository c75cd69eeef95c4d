"""Mailboxes: folders, index rows, message files."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from mailhub.model.mailbox import Changed, Changes, FlagOp, Folder, Glimpse, Limits, MessageRow, Quota, View

from .content import Body, Content
from .queue import Filing


class Copied(Struct, frozen=True):
    """What COPY and MOVE did: `source[i]` became `target[i]` in folder `target_folder` (RFC 4315's COPYUID)."""

    target_folder: Folder
    source: tuple[int, ...]
    target: tuple[int, ...]


class NewMessage(Struct, frozen=True):
    """A message to be appended: content, date, flags and what the index keeps of it."""

    body: Body
    date: int
    envelope: bytes
    structure: bytes
    flags: int = 0
    keywords: tuple[str, ...] = ()


class Disagreement(Struct, frozen=True):
    """Of files and index. `kind`: "file without row", "row without file", "flags", "size", "double file", "leftover", "uidlist",
    "counters", "folder without directory", "directory without folder". `file`: base name, or path of a leftover."""

    kind: str
    folder: str
    file: str
    detail: str


class MessageFile(Protocol):
    """An open message. Close it (or use it as an async context manager)."""

    size: int
    name: str  # base name in the Maildir, without flags

    async def read(self, offset: int, length: int) -> bytes: ...

    async def __aenter__(self) -> "MessageFile": ...

    async def __aexit__(self, *exc: object) -> None: ...


class Taken(Struct, frozen=True):
    """`seen`: base names of rows that were there from `floor` on, among them what the call before entered; `floor`: for the next call.
    Not `done`: there were so many that nothing was entered; ask again."""

    seen: tuple[str, ...]
    floor: int
    done: bool


Measure = Literal["date", "size"]


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

    async def deleted(self, folder: int) -> tuple[int, int]:
        """How many messages have \\Deleted, and their octets (RFC 9208's DELETED and DELETED-STORAGE)."""
        ...

    async def view(self, folder: int) -> View: ...

    async def sizes(self, folder: int) -> "tuple[Folder, array[int], array[int]]":
        """The folder, its UIDs ascending ("I") and the sizes in octets ("q") of the messages, all at one moment."""
        ...

    async def measured(self, folder: int, what: "Measure", low: int, high: int) -> "array[int]":
        """UIDs ascending ("I") of the messages whose INTERNALDATE (seconds) or size (octets) lies between those, both included."""
        ...

    async def mentioning(self, folder: int, word: str, after: int) -> "tuple[array[int], int]":
        """Of some thousand messages with a UID above `after`: the UIDs, ascending ("I"), of those in whose ENVELOPE the word may stand
        (message.envelope.may_stand); and the last that was looked at, 0 where there are no more."""
        ...

    async def former_ids(self, folder: int) -> dict[int, str]:
        """By UID: the unique ids that POP3 gave at another server, of messages that came with a Maildir."""
        ...

    async def take_recent(self, folder: int) -> int:
        """The first UID that is \\Recent for the caller, and none of those for anybody later."""
        ...

    async def changes(self, folder: int, since: int) -> Changes:
        """All that happened after mod-sequence `since`; see `Changes.forgotten` for what is too long ago."""
        ...

    async def rows(self, folder: int, uids: Sequence[int], rendered: bool) -> list[MessageRow]:
        """Rows of those UIDs that exist, ascending; `rendered`: with envelope and structure. At most 1,000 UIDs a call."""
        ...

    async def glimpses(self, folder: int, uids: Sequence[int]) -> dict[int, Glimpse]:
        """By UID, those that are kept."""
        ...

    async def keep_glimpses(self, folder: int, found: Mapping[int, Glimpse]) -> None:
        """Keep those of messages that are still there. What is lost is found again in the files."""
        ...

    async def open(self, folder: int, uid: int) -> MessageFile:
        """NotFound where the message is gone (its file too: then the row is expunged)."""
        ...

    async def append(
        self, folder: int, messages: Sequence[NewMessage], replaces: tuple[int, int] | None = None
    ) -> list[int]:
        """Their UIDs, ascending, in one commit: all or none. The files follow by themselves. `replaces`: folder and UID of a
        message that is expunged in the same commit; NotFound, and nothing done, where it is gone."""
        ...

    async def url_key(self, folder: int) -> bytes:
        """What signs URLs of the folder's messages (RFC 4467), made if missing."""
        ...

    async def known_url_key(self, account: str, name: str) -> tuple[Folder, bytes]:
        """Of a folder by its name; NotFound where there is none, of the two."""
        ...

    async def forget_url_key(self, folder: int) -> None:
        """URLs signed before are worth nothing any more."""
        ...

    async def set_flags(
        self,
        folder: int,
        uids: Sequence[int],
        op: FlagOp,
        flags: int,
        keywords: Sequence[str] = (),
        may: int = -1,
        unchanged_since: int | None = None,
    ) -> tuple[Folder, list[tuple[int, int, int]], list[int]]:
        """(folder with its keywords, rows (uid, flags, modseq) that are now as asked, UIDs refused by unchanged_since).
        `flags`: system flags only. `may`: what REPLACE takes away where it is not among them. LimitReached where a folder would have more than MAX_KEYWORDS."""
        ...

    async def copy(self, folder: int, uids: Sequence[int], target: int, keep: int = -1) -> Copied:
        """`keep`: the flags that the copies may have."""
        ...

    async def move(self, folder: int, uids: Sequence[int], target: int, keep: int = -1) -> Copied: ...

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

    async def take(self, account: str, folder: str, files: Sequence[str], floor: int) -> Taken:
        """Files that were put into cur/ of a folder enter its index, in this order."""
        ...

    async def check(self, account: str) -> list[Disagreement]:
        """What files and index do not agree on, once all that is under way is done."""
        ...

    async def repair(self, account: str) -> list[Disagreement]:
        """Mend it; what is left afterwards."""
        ...

    async def sync(self) -> None:
        """Return when file names, uidlists and keywords say what the index said at the call."""
        ...

    limits: Limits
    """Of accounts without limits of their own: `append`, `copy`, and `move` to another account's folder, end in OverQuota beyond
    them. The mailbox service sets it."""
    limited: bool
    """Whether any account or domain has limits of its own."""

    async def quota(self, account: str) -> Quota:
        """What it holds and may hold."""
        ...

    async def own_limits(self, name: str) -> tuple[int | None, int | None]:
        """Octets and messages that are set for that account, or "@domain", itself; None: nothing is."""
        ...

    async def set_limits(self, name: str, storage: int | None, messages: int | None) -> None:
        """Of an account, or of all in a domain ("@domain") that have none of their own. 0: no limit; None: as the next one says."""
        ...

    async def folders_named(self, name: str, after: int) -> list[int]:
        """Folders of that name of all accounts, by id from above `after`, some at a time; "Name.*" stands for all below Name."""
        ...

    async def expire(self, folder: int, before: int, keep: int) -> int:
        """Expunge what came into a folder before that time, and what is not among the `keep` newest (0: all may stay); how many."""
        ...

    async def recount(self, account: str) -> None:
        """Make the sums of the account's folders what their messages say."""
        ...

    async def stage(self, filing: Filing, content: Content) -> None:
        """Write the message file of a delivery (tmp, then rename), to be indexed by the settling unit."""
        ...

    async def remove_account(self, account: str) -> None:
        """The index of an account that is gone. Its Maildir is left where it is."""
        ...
