"""NOTIFY (RFC 5465) as a value: which events of which mailboxes a client wants to hear of. Its syntax: `notify_syntax`."""

from enum import Enum

from msgspec import Struct

from .fetch_items import Item


class Event(Enum):
    """The events of RFC 5465 section 5; the value is the name on the wire."""

    NEW = "MessageNew"
    EXPUNGE = "MessageExpunge"
    FLAGS = "FlagChange"
    NAME = "MailboxName"
    SUBSCRIPTION = "SubscriptionChange"
    METADATA = "MailboxMetadataChange"
    SERVER_METADATA = "ServerMetadataChange"


class Which(Enum):
    """The mailboxes a group is about (RFC 5465 section 6)."""

    SELECTED = "SELECTED"
    SELECTED_DELAYED = "SELECTED-DELAYED"
    INBOXES = "INBOXES"
    PERSONAL = "PERSONAL"
    SUBSCRIBED = "SUBSCRIBED"
    SUBTREE = "SUBTREE"
    MAILBOXES = "MAILBOXES"


class Group(Struct, frozen=True):
    """`names`: of SUBTREE and MAILBOXES; `items`: to be fetched of each new message in the selected mailbox."""

    which: Which
    events: frozenset[Event]
    names: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()


class Notify(Struct, frozen=True):
    """RFC 5465 section 3; no groups: NOTIFY NONE. `unknown`: events that are none of ours were named."""

    groups: tuple[Group, ...] = ()
    status: bool = False
    unknown: bool = False


SELECTED = frozenset({Which.SELECTED, Which.SELECTED_DELAYED})
