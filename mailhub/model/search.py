"""A search as a value (RFC 3501 section 6.4.4): what `wire.imap` reads and `mailbox.search` answers.

Depth is bounded by who builds the tree (`wire.imap.search_keys.DEPTH`).
"""

import datetime
from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

Ranges = tuple[tuple[int, int], ...]
STAR = 0  # in Ranges: the largest number in use
SAVED: Ranges = ((-1, -1),)  # "$" of RFC 5182: what the last search saved


class When(Enum):
    """How a date is compared: by the day, without time and zone."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


class All(Struct, frozen=True):
    """Every message."""


class And(Struct, frozen=True):
    """Messages that all keys match."""

    keys: "tuple[Key, ...]"


class Or(Struct, frozen=True):
    """Messages that one of the two matches."""

    left: "Key"
    right: "Key"


class Not(Struct, frozen=True):
    """Messages that the key does not match."""

    key: "Key"


class Flag(Struct, frozen=True):
    """Messages with a system flag: a bit of model.mailbox (SEEN, ...)."""

    bit: int


class Keyword(Struct, frozen=True):
    """Messages with a keyword, in any case of its letters."""

    name: str


class Recent(Struct, frozen=True):
    """Messages that are \\Recent to this view."""


class Internal(Struct, frozen=True):
    """Messages whose INTERNALDATE lies so to `day`."""

    when: When
    day: datetime.date


class Saved(Struct, frozen=True):
    """Messages that came into this folder so to `day` (SAVEDATE, RFC 8514); by INTERNALDATE where nobody knows."""

    when: When
    day: datetime.date


class EmailId(Struct, frozen=True):
    """The message with that EMAILID (RFC 8474)."""

    id: str


class ThreadId(Struct, frozen=True):
    """Messages with that THREADID (RFC 8474)."""

    id: str


class Age(Struct, frozen=True):
    """Messages whose INTERNALDATE is as many seconds ago, or longer (BEFORE), or shorter (SINCE): RFC 5032."""

    when: When
    seconds: int


class Arrived(Struct, frozen=True):
    """Messages with an INTERNALDATE of `moment` (seconds since 1970) or before it, or since: an Age once it is asked."""

    when: When
    moment: int


class Sent(Struct, frozen=True):
    """Messages whose Date: field lies so to `day`."""

    when: When
    day: datetime.date


class Larger(Struct, frozen=True):
    """Messages of more than `size` octets."""

    size: int


class Smaller(Struct, frozen=True):
    """Messages of fewer than `size` octets."""

    size: int


class Picked(Struct, frozen=True):
    """Messages with these UIDs, ascending: what a key came to, once it was asked of the whole folder."""

    uids: Sequence[int]


class Attachment(Struct, frozen=True):
    """Messages that bring a file along, by their BODYSTRUCTURE."""


class Envelope(Struct, frozen=True):
    """Messages with `text` in the decoded ENVELOPE: `name` is BCC, CC, FROM, SUBJECT or TO."""

    name: str
    text: str


class Header(Struct, frozen=True):
    """Messages with `text` in the decoded field `name` (any case); "": that have the field at all."""

    name: str
    text: str


class Text(Struct, frozen=True):
    """Messages with `text` in header or body, decoded, in any case."""

    text: str


class Body(Struct, frozen=True):
    """Messages with `text` in the decoded body, in any case."""

    text: str


class Numbers(Struct, frozen=True):
    """Messages with these message numbers."""

    ranges: Ranges


class Uids(Struct, frozen=True):
    """Messages with these UIDs."""

    ranges: Ranges


class ModSeq(Struct, frozen=True):
    """Messages whose mod-sequence is `least` or more (RFC 7162 section 3.1.5)."""

    least: int


Key = (
    All
    | And
    | Or
    | Not
    | Flag
    | Keyword
    | Recent
    | Internal
    | Saved
    | EmailId
    | ThreadId
    | Age
    | Arrived
    | Sent
    | Larger
    | Smaller
    | Picked
    | Attachment
    | Envelope
    | Header
    | Text
    | Body
    | Numbers
    | Uids
    | ModSeq
)
