"""SEARCH and its relatives as values: SORT and THREAD (RFC 5256), ESEARCH over mailboxes (RFC 7377), CANCELUPDATE (RFC 5267)."""

from msgspec import Struct

from mailhub.model.search import Key
from mailhub.model.sorting import Algorithm, Criterion

from .fetch_items import Item


class Returns(Struct, frozen=True):
    """RETURN (...) of RFC 4731, 5182, 5267 and 9394: options in capitals; `partial`: places from 1, or from the end as -1;
    `items`: of UPDATE, to be fetched of new messages (RFC 5465 section 7)."""

    options: frozenset[str]
    partial: tuple[int, int] | None = None
    items: tuple[Item, ...] = ()


class Program(Struct, frozen=True):
    """What is searched for. `key` None: in a charset that is not known. `returns` None: the answer of RFC 3501."""

    key: Key | None
    returns: Returns | None = None


class Search(Struct, frozen=True):
    """RFC 3501 section 6.4.4, RFC 4731. `by_uid`: the answer is UIDs."""

    program: Program
    by_uid: bool


class Sort(Struct, frozen=True):
    """RFC 5256 section 3, RFC 5267."""

    program: Program
    criteria: tuple[Criterion, ...]
    by_uid: bool


class Thread(Struct, frozen=True):
    """RFC 5256 section 3."""

    program: Program
    algorithm: Algorithm
    by_uid: bool


class Source(Struct, frozen=True):
    """Mailboxes of RFC 7377: `what` is SELECTED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE, SUBTREE-ONE or MAILBOXES."""

    what: str
    mailboxes: tuple[str, ...] = ()


class Esearch(Struct, frozen=True):
    """RFC 7377: the answer is UIDs, by mailbox."""

    program: Program
    sources: tuple[Source, ...]


class CancelUpdate(Struct, frozen=True):
    """RFC 5267 section 4.4: the tags of searches that are to be kept up to date no longer."""

    tags: tuple[bytes, ...]
