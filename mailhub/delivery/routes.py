"""Routes as values: what the router says of one recipient."""

from dataclasses import dataclass

from mailhub.model.reply import Reply


@dataclass(frozen=True, slots=True)
class Local:
    """Into a Maildir of ours. `account`: its name (model.address.key); `detail`: the tag of user+tag, or None."""

    account: str
    folder: str = "INBOX"
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Relay:
    """Out of here: to a nexthop, by the transport of that name. `sender`: the reverse-path it leaves with, None where that is
    the message's own."""

    nexthop: str
    transport: str = "relay"
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Expand:
    """To other addresses instead (alias, catch-all): at least one, deduplicated, in their order."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Nowhere until an operator has decided."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nowhere, or, where the reply is temporary, not now."""

    reply: Reply


Route = Local | Relay | Expand | Hold | Refuse
