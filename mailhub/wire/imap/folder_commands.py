"""The commands about folders as frozen values."""

from msgspec import Struct

from mailhub.model.mailbox import FlagOp
from mailhub.model.search import Ranges


class Resync(Struct, frozen=True):
    """What a client remembers of a mailbox (RFC 7162 section 3.2.5); `match`: message numbers and their UIDs."""

    uidvalidity: int
    modseq: int
    uids: Ranges | None = None
    match: tuple[Ranges, Ranges] | None = None


class Select(Struct, frozen=True):
    """RFC 3501 section 6.3.1; `condstore` and `resync`: RFC 7162."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


class Examine(Struct, frozen=True):
    """RFC 3501 section 6.3.2; else as Select."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


class Create(Struct, frozen=True):
    """RFC 3501 section 6.3.3; `use`: the special uses of RFC 6154, as the client wrote them."""

    mailbox: str
    use: tuple[str, ...] = ()


class Delete(Struct, frozen=True):
    """RFC 3501 section 6.3.4."""

    mailbox: str


class Rename(Struct, frozen=True):
    """RFC 3501 section 6.3.5."""

    mailbox: str
    new_name: str


class Subscribe(Struct, frozen=True):
    """RFC 3501 section 6.3.6."""

    mailbox: str


class Unsubscribe(Struct, frozen=True):
    """RFC 3501 section 6.3.7."""

    mailbox: str


class List(Struct, frozen=True):
    """RFC 3501 section 6.3.8, RFC 5258: selection and return options in capitals; `status` and `metadata`: what RFC 5819 and
    RFC 9590 ask of each folder besides. `extended`: more than a plain LIST."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    extended: bool = False


class Xlist(Struct, frozen=True):
    """Gmail's forerunner of SPECIAL-USE: a LIST with attributes of its own."""

    reference: str
    pattern: str


class Lsub(Struct, frozen=True):
    """RFC 3501 section 6.3.9."""

    reference: str
    pattern: str


class Namespace(Struct, frozen=True):
    """RFC 2342."""


class Status(Struct, frozen=True):
    """RFC 3501 section 6.3.10; items in capitals, in their order."""

    mailbox: str
    items: tuple[str, ...]


class SetAcl(Struct, frozen=True):
    """RFC 4314 section 3.1. `op`: whether `rights` are set, added or removed."""

    mailbox: str
    identifier: str
    op: FlagOp
    rights: str


class DeleteAcl(Struct, frozen=True):
    """RFC 4314 section 3.2."""

    mailbox: str
    identifier: str


class GetAcl(Struct, frozen=True):
    """RFC 4314 section 3.3."""

    mailbox: str


class ListRights(Struct, frozen=True):
    """RFC 4314 section 3.4."""

    mailbox: str
    identifier: str


class MyRights(Struct, frozen=True):
    """RFC 4314 section 3.5."""

    mailbox: str


class GetMetadata(Struct, frozen=True):
    """RFC 5464 section 4.2. `mailbox` "": the server's. `depth`: levels below an entry, None for all of them."""

    mailbox: str
    entries: tuple[str, ...]
    maxsize: int | None = None
    depth: int | None = 0


class SetMetadata(Struct, frozen=True):
    """RFC 5464 section 4.3. A value of None removes the entry."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


class GetQuota(Struct, frozen=True):
    """RFC 9208 section 4.1.1."""

    root: str


class GetQuotaRoot(Struct, frozen=True):
    """RFC 9208 section 4.1.2."""

    mailbox: str


class SetQuota(Struct, frozen=True):
    """RFC 9208 section 4.1.3."""

    root: str
    limits: tuple[tuple[str, int], ...]
