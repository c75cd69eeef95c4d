"""What can be asked about bans, and what `status` says of the guard."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import PAGE, Done, Page, Request

Network = Annotated[str, Meta(min_length=1, max_length=100)]


class Ban(Struct, frozen=True, kw_only=True):
    """A ban in force. `cause`: "operator", "AUTH failures", "errors", ...; `strikes`: how many there were."""

    network: str
    cause: str
    since: float
    until: float
    strikes: int
    note: str


class BanList(Request[tuple[Ban, ...]], frozen=True, kw_only=True, tag="ban.list"):
    """By network, in the order of their text."""

    after: str = ""
    limit: Page = PAGE


class BanAdd(Request[Ban], frozen=True, kw_only=True, tag="ban.add"):
    """From all services, for so many seconds."""

    network: Network
    seconds: Annotated[float, Meta(ge=1, le=366 * 86_400)]
    note: Annotated[str, Meta(max_length=500)] = ""


class BanRemove(Request[Done], frozen=True, kw_only=True, tag="ban.remove"):
    """Forgotten, too: the next one is a first one."""

    network: Network


class AlertState(Struct, frozen=True, kw_only=True):
    """Something the operator should know of. `event`: a stable name."""

    time: float
    event: str
    subject: str
    cause: str


class SharedAddress(Struct, frozen=True, kw_only=True):
    """An address that gets no trust and no ban, for anybody may stand behind it."""

    address: str
    cause: str
    connections: int


class GuardState(Struct, frozen=True, kw_only=True):
    """`refused`: connections, logins and messages refused since the start, by cause."""

    refused: dict[str, int] = {}
    bans: int = 0
    alerts: tuple[AlertState, ...] = ()
    shared: tuple[SharedAddress, ...] = ()
