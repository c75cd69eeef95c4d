"""Which transport and nexthop: transport(5), relayhost and what depends on the sender, as Postfix's trivial-rewrite has it.

A way is written `transport:nexthop`. `:nexthop` leaves the transport as it is, `transport:` means the recipient's domain; so
do the table's values and the orders of access(5)'s FILTER. `pipe:NAME` is the transport NAME.
"""

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from mailhub.config.schema import Delivery
from mailhub.model import address as addresses
from mailhub.model.reply import Reply
from mailhub.tables import Search, Tables

from .routes import Hold, Refuse, Relay

HERE = ("local", "virtual")  # transports that mean our own mailboxes
_WORDS = ("error", "retry", "hold", "discard")  # transports whose nexthop is a text
_REASON = re.compile(r"(?:[45]\d\d[ \t]+)?(?:([45])(\.\d{1,3}\.\d{1,3})(?:[ \t]+|\Z))?(.*)", re.DOTALL)


class Entry(Struct, frozen=True):
    """What an option says: "" where a half is left out. `text`: as it is written; `line`: where it stands, for people. `exact`:
    it is of one address."""

    transport: str
    nexthop: str
    text: str = ""
    line: str = ""
    exact: bool = False


def entry(text: str, line: str = "", *, exact: bool = False) -> Entry:
    """`transport:nexthop` taken apart."""
    transport, _, nexthop = text.strip().partition(":")
    return Entry(transport.strip(), nexthop.strip(), text.strip(), line, exact)


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
        for key, whole in _keys(address, self._config.recipient_delimiter):
            value = await (self._transport.lookup(key) if whole else self._transport.part(key))
            if value is not None:  # a pattern that fits an address does not say that there is such a one
                exact = whole and await self._transport.part(key) is not None
                return entry(value, f"delivery.transport: {key} {value}", exact=exact)
        return None

    async def default(self, domain: str, sender: str) -> tuple[Relay, Entry | None]:
        """The way to a domain that is not ours and in no table: the sender's own transport or relayhost, or those of all.
        With it what decided."""
        config = self._config
        chosen = await self._by_sender(self._defaults, "sender_default_transport", sender)
        way = chosen or entry(config.default_transport)
        if way.nexthop or way.transport in _WORDS:
            return Relay(way.nexthop, way.transport), chosen
        host = await self._by_sender(self._relayhosts, "sender_relayhost", sender)
        if host is None and config.relayhost:
            host = entry(config.relayhost, f"delivery.relayhost: {config.relayhost}")
        return Relay(host.text if host else domain, way.transport), chosen or host

    async def _by_sender(self, table: Search, option: str, sender: str) -> Entry | None:
        """What stands under the sender, without his tag too, or under his domain; `<>` for the null sender. DUNNO: as if
        nothing did."""
        local, domain = addresses.split(sender.lower())
        user, _ = addresses.without_detail(local, self._config.recipient_delimiter)
        wholes = dict.fromkeys((f"{local}@{domain}", f"{user}@{domain}")) if sender else ["<>"]
        asked = [*((key, table.lookup) for key in wholes), *([(f"@{domain}", table.part)] if sender else [])]
        for key, ask in asked:
            if (value := await ask(key)) is not None:
                return None if value.strip().upper() == "DUNNO" else entry(value, f"delivery.{option}: {key} {value}")
        return None


def over(found: Entry, default: Relay, domain: str) -> Relay:
    """A table's word over the way that there was without it."""
    if not found.transport:
        return replace(default, nexthop=found.nexthop or default.nexthop)
    return Relay(found.nexthop or ("" if found.transport in _WORDS else domain), found.transport)


def meant(way: Relay, domain: str) -> Relay | Hold | Refuse:
    """What a way comes to whose transport is a word of its own."""
    match way.transport:
        case "error" | "retry":
            return Refuse(_reason(way.transport, way.nexthop))
        case "hold":
            return Hold(Reply(450, "4.7.0", way.nexthop or "Held until the operator decides"))
        case "pipe":
            return Relay(domain, way.nexthop)
    return way


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
