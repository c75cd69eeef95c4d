"""Which transport and nexthop: transport(5), relayhost and what depends on the sender, as Postfix's trivial-rewrite has it.

A way is written `transport:nexthop`. `:nexthop` leaves the transport as it is, `transport:` means the recipient's domain; so
do the table's values and the orders of access(5)'s FILTER. `pipe:NAME` is the transport NAME.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery
from mailhub.model import address as addresses
from mailhub.model.reply import Reply
from mailhub.tables import Search, Tables

from .routes import Hold, Refuse, Relay

HERE = ("local", "virtual")  # transports that mean our own mailboxes
_REASON = re.compile(r"(?:[45]\d\d[ \t]+)?(?:([45])(\.\d{1,3}\.\d{1,3})(?:[ \t]+|\Z))?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """What an option says: "" where a half is left out. `line`: where that stands, for people. `exact`: it is of one address."""

    transport: str
    nexthop: str
    line: str = ""
    exact: bool = False


def entry(text: str, line: str = "", *, exact: bool = False) -> Entry:
    """`transport:nexthop` taken apart."""
    transport, _, nexthop = text.strip().partition(":")
    return Entry(transport.strip(), nexthop.strip(), line, exact)


class Ways:
    """The tables of [delivery]."""

    def __init__(self, config: Delivery, tables: Tables) -> None:
        self._config = config
        self._transport = tables.open(config.transport)
        self._relayhosts = tables.open(config.sender_relayhost)
        self._defaults = tables.open(config.sender_default_transport)

    async def of(self, address: str) -> Entry | None:
        """What the transport table says of a recipient: of user+tag@domain, user@domain, the domain, of all below a domain
        above it (`.example.org`), of everybody (`*`). Temporary where it can not be asked."""
        if not self._config.transport:
            return None
        for key, exact in _keys(address, self._config.recipient_delimiter):
            ask = self._transport.lookup if exact else self._transport.part
            if (value := await ask(key)) is not None:
                return entry(value, f"delivery.transport: {key} {value}", exact=exact)
        return None

    async def default(self, domain: str, sender: str) -> tuple[Relay, Entry | None]:
        """The way to a domain that is not ours and in no table: the sender's own transport or relayhost, or those of all.
        With it what decided."""
        found = await self._by_sender(self._defaults, self._config.sender_default_transport, sender)
        chosen = found and entry(found[1], f"delivery.sender_default_transport: {found[0]} {found[1]}")
        way = chosen or entry(self._config.default_transport)
        if way.nexthop:
            return Relay(way.nexthop, way.transport), chosen
        found = await self._by_sender(self._relayhosts, self._config.sender_relayhost, sender)
        if found is not None and found[1].strip().upper() != "DUNNO":
            host = found[1].strip()
            return Relay(host, way.transport), chosen or Entry(
                "", host, f"delivery.sender_relayhost: {found[0]} {host}"
            )
        if self._config.relayhost:
            host = self._config.relayhost
            return Relay(host, way.transport), chosen or Entry("", host, f"delivery.relayhost: {host}")
        return Relay(domain, way.transport), chosen

    async def _by_sender(self, table: Search, option: Lookup, sender: str) -> tuple[str, str] | None:
        """Key and value of the sender, or of his domain; `<>` for the null sender."""
        if not option:
            return None
        key = sender.lower() or "<>"
        if (value := await table.lookup(key)) is not None:
            return key, value
        key = "@" + addresses.domain_of(sender)
        value = await table.part(key) if sender else None
        return None if value is None else (key, value)


def combined(found: Entry, default: Relay, domain: str) -> Relay | Hold | Refuse:
    """A table's word over the way that there was without it."""
    transport, nexthop = found.transport, found.nexthop
    match transport:
        case "":
            return Relay(nexthop, default.transport) if nexthop else default
        case "error" | "retry":
            return Refuse(_reason(transport, nexthop))
        case "hold":
            return Hold(Reply(450, "4.7.0", nexthop or "Held until the operator decides"))
        case "pipe":
            return Relay(domain, nexthop)
    return Relay(nexthop or domain, transport)


def _reason(transport: str, text: str) -> Reply:
    """error(8): an enhanced code may stand before the text; whether it is final, the transport's name says alone."""
    found = _REASON.fullmatch(text)
    assert found is not None
    code, kind = (550, "5") if transport == "error" else (450, "4")
    return Reply(code, kind + (found[2] or ".0.0"), found[3].strip() or "Address is undeliverable")


def _keys(address: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """The keys of transport(5) in their order, and whether a key is the address itself."""
    local, domain = addresses.split(addresses.key(address))
    user, detail = addresses.without_detail(local, delimiter)
    yield f"{local}@{domain}", True
    if detail is not None:
        yield f"{user}@{domain}", True
    yield domain, False
    _, dot, parent = domain.partition(".")
    while dot:
        yield "." + parent, False
        _, dot, parent = parent.partition(".")
    yield "*", False
