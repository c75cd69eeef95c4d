"""The commands about folders as frozen values."""

from dataclasses import dataclass

from mailhub.model.mailbox import FlagOp
from mailhub.model.search import Ranges


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client remembers of a mailbox (RFC 7162 section 3.2.5); `match`: message numbers and their UIDs."""

    uidvalidity: int
    modseq: int
    uids: Ranges | None = None
    match: tuple[Ranges, Ranges] | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """RFC 3501 section 6.3.1; `condstore` and `resync`: RFC 7162."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Examine:
    """RFC 3501 section 6.3.2; else as Select."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """RFC 3501 section 6.3.3; `use`: the special uses of RFC 6154, as the client wrote them."""

    mailbox: str
    use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """RFC 3501 section 6.3.4."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RFC 3501 section 6.3.5."""

    mailbox: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """RFC 3501 section 6.3.6."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """RFC 3501 section 6.3.7."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class List:
    """RFC 3501 section 6.3.8, RFC 5258: selection and return options in capitals; `status` and `metadata`: what RFC 5819 and
    RFC 9590 ask of each folder besides. `extended`: more than a plain LIST."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Xlist:
    """Gmail's forerunner of SPECIAL-USE: a LIST with attributes of its own."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Lsub:
    """RFC 3501 section 6.3.9."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """RFC 2342."""


@dataclass(frozen=True, slots=True)
class Status:
    """RFC 3501 section 6.3.10; items in capitals, in their order."""

    mailbox: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetAcl:
    """RFC 4314 section 3.1. `op`: whether `rights` are set, added or removed."""

    mailbox: str
    identifier: str
    op: FlagOp
    rights: str


@dataclass(frozen=True, slots=True)
class DeleteAcl:
    """RFC 4314 section 3.2."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class GetAcl:
    """RFC 4314 section 3.3."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class ListRights:
    """RFC 4314 section 3.4."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights:
    """RFC 4314 section 3.5."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """RFC 5464 section 4.2. `mailbox` "": the server's. `depth`: levels below an entry, None for all of them."""

    mailbox: str
    entries: tuple[str, ...]
    maxsize: int | None = None
    depth: int | None = 0


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """RFC 5464 section 4.3. A value of None removes the entry."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class GetQuota:
    """RFC 9208 section 4.1.1."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """RFC 9208 section 4.1.2."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """RFC 9208 section 4.1.3."""

    root: str
    limits: tuple[tuple[str, int], ...]
