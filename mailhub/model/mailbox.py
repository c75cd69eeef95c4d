"""Mailbox words that every room shares: flags, folders, messages, changes (RFC 9051 section 2.3)."""

import base64
import hashlib
import re
from array import array
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct

from .rights import ALL, Rights

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_FLAGS = {"\\Seen": SEEN, "\\Answered": ANSWERED, "\\Flagged": FLAGGED, "\\Deleted": DELETED, "\\Draft": DRAFT}
KEYWORD_SHIFT = 5  # bit 5 + n of a flags number is keyword n of its folder
MAX_KEYWORDS = 58  # so that a flags number fits a signed 64-bit column
SEPARATOR = "."  # between the levels of a folder name, as in Maildir++


_COPY = re.compile(r"[0-9]+\.M[0-9A-Z]+_([A-Za-z0-9_-]{22})\.")
_MADE = re.compile(r"[1-9][0-9]{8,10}(?=\.)")  # the time at which a file was made, as all Maildirs begin their names


def settable(rights: Rights) -> int:
    """The flags that may be set and taken away, as a flags number (RFC 4314 section 4)."""
    seen, deleted = SEEN if "s" in rights else 0, DELETED if "t" in rights else 0
    return seen | deleted | (~(SEEN | DELETED) if "w" in rights else 0)


def object_id(what: bytes) -> str:
    """22 characters that stand for `what` (RFC 8474 section 7.1)."""
    return base64.urlsafe_b64encode(hashlib.blake2b(what, digest_size=16).digest()).decode().rstrip("=")


def origin(file: str) -> str:
    """The object id of the message in a file: of the base name it had before all copies. The name of a copy holds it, so that
    an index made again from the files knows it."""
    found = _COPY.match(file)
    return found[1] if found else object_id(file.partition(",")[0].encode("utf-8", "surrogateescape"))


class Folder(Struct, frozen=True):
    """A folder's state at one moment. `name`: Unicode, levels divided by SEPARATOR; "INBOX" is the inbox.

    A *flags number* holds the system flags in bits 0-4 and the folder's keywords from bit 5 on.
    """

    id: int
    account: str
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int  # HIGHESTMODSEQ; starts at 1
    messages: int
    unseen: int
    size: int  # octets
    keywords: tuple[str, ...] = ()
    special_use: str = ""  # "\\Sent", "\\Trash", ...
    subscribed: bool = True
    recent_from: int = 1  # messages with this UID and above have not been shown to any session
    rights: Rights = ALL  # of who asked for it

    @property
    def object_id(self) -> str:
        """MAILBOXID (RFC 8474 section 4): the same after a RENAME, another for a later folder of that name."""
        return f"F{self.uidvalidity}-{self.id}"


class Limits(Struct, frozen=True):
    """What an account may hold: octets, messages. 0: as much as it likes."""

    storage: int = 0
    messages: int = 0


UNLIMITED = Limits()


class Quota(Struct, frozen=True):
    """What an account holds, over all its folders, and may hold (RFC 9208)."""

    storage: int
    messages: int
    limits: Limits

    def takes(self, storage: int, messages: int, grace: float = 0.0) -> bool:
        """Whether so much more fits. `grace`: the part of a limit by which it may be passed."""
        held = ((self.storage + storage, self.limits.storage), (self.messages + messages, self.limits.messages))
        return all(not limit or now <= limit * (1 + grace) for now, limit in held)


class View(Struct, frozen=True):
    """All messages of a folder at one mod-sequence: three arrays of one length, by ascending UID."""

    folder: Folder
    uids: "array[int]"  # "I"
    flags: "array[int]"  # "q"
    modseqs: "array[int]"  # "q"


class Glimpse(Struct, frozen=True):
    """What a list shows of a message without its text. `thread`: THREADID (RFC 8474), `preview`: its first words (RFC 8970); "" where
    it has none."""

    thread: str
    preview: str


class MessageRow(NamedTuple):
    """One message of a folder. `envelope` and `structure` are ENVELOPE and BODYSTRUCTURE as IMAP writes them. A tuple, for a folder is read
    by the thousand: a frozen dataclass takes three times as long to be made."""

    uid: int
    flags: int
    modseq: int
    date: int  # INTERNALDATE, seconds since 1970
    size: int  # octets
    envelope: bytes = b""
    structure: bytes = b""
    file: str = ""  # base name in the Maildir, without flags; POP3's UIDL and object ids derive from it
    moved: int = 0  # when it came into this folder, where the name of its file does not say so

    @property
    def email_id(self) -> str:
        """EMAILID (RFC 8474 section 5.1): the same in all copies of a message."""
        return "M" + origin(self.file)

    @property
    def saved(self) -> int | None:
        """SAVEDATE (RFC 8514): when it came into this folder, seconds since 1970; None where nobody knows."""
        found = _MADE.match(self.file)
        return self.moved or (int(found[0]) if found else None)


class Changes(Struct, frozen=True):
    """What happened in a folder since a mod-sequence: the folder now, rows new or changed, UIDs gone.

    Up to the mod-sequence `forgotten` it is not known any more what is gone: who asks for changes since before it does not
    get all in `expunged`, and has to compare UIDs.
    """

    folder: Folder
    rows: tuple[tuple[int, int, int], ...]  # (uid, flags, modseq) ascending by uid
    expunged: tuple[int, ...]
    forgotten: int = 0


class FlagOp(IntEnum):
    """What STORE does with the flags it names (RFC 9051 section 6.4.6)."""

    REPLACE = 0
    ADD = 1
    REMOVE = 2


class Changed(Struct, frozen=True):
    """Told after a commit: this folder (None: the account's list of folders) is now at `modseq`."""

    account: str
    folder: int | None
    modseq: int = 0
