"""Who is at the other end of a session: the client's name, asked of DNS when first needed and once, and what lists said of it
before a message began."""

from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.model.reply import Reply
from mailhub.net import addresses
from mailhub.net.resolver import DnsError, DnsTemporary, Resolver

from .orders import Orders

if TYPE_CHECKING:
    from .check import Statement
    from .milters import Seat

BEFORE_MAIL = ("client", "helo")  # stages that may come before a message
NAMES = 5  # of one address that are looked at


class ClientName(Struct, frozen=True):
    """`reverse`: what PTR says; `verified`: that name, where it leads back to the address. "" where there is none;
    `undecided`: DNS could not tell."""

    reverse: str = ""
    verified: str = ""
    undecided: bool = False


class Caller:
    """One session's client. `told`: what a proxy said of its name; None: DNS is asked.

    `heard`: what checks said of the client (under "") and of a name in its HELO.
    `port`, `local`: of its connection, and of ours; `mechanism`: it signed in by. `seats`: milters, once they were met.
    `orders`, `doubt`: what lists ordered and left open at the connection and at HELO, where they answer then; for each message.
    """

    __slots__ = ("_name", "_resolver", "address", "doubt", "heard", "local", "mechanism", "orders", "port", "seats")

    def __init__(self, address: str, resolver: Resolver | None, told: ClientName | None = None) -> None:
        self.address, self._resolver, self._name = address, resolver, told
        self.orders: dict[str, Orders] = {}
        self.doubt: dict[str, Reply | None] = {}
        self.heard: dict[str, dict[str, Statement | None]] = {}
        self.port, self.local, self.mechanism = 0, ("", 0), ""
        self.seats: list[Seat] | None = None

    def close(self) -> None:
        """The session is over."""
        for seat in self.seats or ():
            seat.close()
        self.seats = None

    @property
    def known(self) -> str:
        """Its verified name, where that was asked for or told; else ""."""
        return "" if self._name is None else self._name.verified

    def doubt_before(self, stage: str) -> Reply | None:
        """What the stages before that one have left open; the last that was asked knows."""
        earlier = BEFORE_MAIL[: BEFORE_MAIL.index(stage)] if stage in BEFORE_MAIL else BEFORE_MAIL
        return next((self.doubt[name] for name in reversed(earlier) if name in self.doubt), None)

    async def name(self) -> ClientName:
        if self._name is None:
            self._name = await _asked(self.address, self._resolver)
        return self._name


async def _asked(client: str, resolver: Resolver | None) -> ClientName:
    """RFC 8601 section 3 calls it "iprev": PTR, and the name's own addresses."""
    ip = addresses.parse(client)
    if ip is None or resolver is None:
        return ClientName()
    try:
        names = await resolver.ptr(str(ip))
    except DnsTemporary:
        return ClientName(undecided=True)
    except DnsError:
        return ClientName()
    undecided = False
    for name in names[:NAMES]:
        try:
            if ip in map(addresses.parse, await resolver.addresses(name)):
                return ClientName(name, name)
        except DnsTemporary:
            undecided = True
        except DnsError:
            continue
    return ClientName(names[0] if names else "", undecided=undecided)
