"""A search as a value (RFC 3501 section 6.4.4): what `wire.imap` reads and `mailbox.search` answers.

Depth is bounded by who builds the tree (`wire.imap.search_keys.DEPTH`).
"""

import datetime
from dataclasses import dataclass
from enum import Enum

Ranges = tuple[tuple[int, int], ...]
STAR = 0  # in Ranges: the largest number in use
SAVED: Ranges = ((-1, -1),)  # "$" of RFC 5182: what the last search saved


class When(Enum):
    """How a date is compared: by the day, without time and zone."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class And:
    """Messages that all keys match."""

    keys: "tuple[Key, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Messages that one of the two matches."""

    left: "Key"
    right: "Key"


@dataclass(frozen=True, slots=True)
class Not:
    """Messages that the key does not match."""

    key: "Key"


@dataclass(frozen=True, slots=True)
class Flag:
    """Messages with a system flag: a bit of model.mailbox (SEEN, ...)."""

    bit: int


@dataclass(frozen=True, slots=True)
class Keyword:
    """Messages with a keyword, in any case of its letters."""

    name: str


@dataclass(frozen=True, slots=True)
class Recent:
    """Messages that are \\Recent to this view."""


@dataclass(frozen=True, slots=True)
class Internal:
    """Messages whose INTERNALDATE lies so to `day`."""

    when: When
    day: datetime.date


@dataclass(frozen=True, slots=True)
class Saved:
    """Messages that came into this folder so to `day` (SAVEDATE, RFC 8514); by INTERNALDATE where nobody knows."""

    when: When
    day: datetime.date


@dataclass(frozen=True, slots=True)
class EmailId:
    """The message with that EMAILID (RFC 8474)."""

    id: str


@dataclass(frozen=True, slots=True)
class ThreadId:
    """Messages with that THREADID (RFC 8474)."""

    id: str


@dataclass(frozen=True, slots=True)
class Age:
    """Messages whose INTERNALDATE is as many seconds ago, or longer (BEFORE), or shorter (SINCE): RFC 5032."""

    when: When
    seconds: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Messages with an INTERNALDATE of `moment` (seconds since 1970) or before it, or since: an Age once it is asked."""

    when: When
    moment: int


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages whose Date: field lies so to `day`."""

    when: When
    day: datetime.date


@dataclass(frozen=True, slots=True)
class Larger:
    """Messages of more than `size` octets."""

    size: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Messages of fewer than `size` octets."""

    size: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """Messages that bring a file along, by their BODYSTRUCTURE."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Messages with `text` in the decoded ENVELOPE: `name` is BCC, CC, FROM, SUBJECT or TO."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """Messages with `text` in the decoded field `name` (any case); "": that have the field at all."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Messages with `text` in header or body, decoded, in any case."""

    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """Messages with `text` in the decoded body, in any case."""

    text: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages with these message numbers."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Uids:
    """Messages with these UIDs."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class ModSeq:
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
    | Attachment
    | Envelope
    | Header
    | Text
    | Body
    | Numbers
    | Uids
    | ModSeq
)
