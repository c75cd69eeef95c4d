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
    """To the mail exchangers of a domain."""

    nexthop: str


@dataclass(frozen=True, slots=True)
class Expand:
    """To other addresses instead (alias, catch-all): at least one, deduplicated, in their order."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nowhere."""

    reply: Reply


Route = Local | Relay | Expand | Refuse
