"""The hosts that take mail for a domain, best first (RFC 5321 section 5.1, null MX: RFC 7505)."""

import asyncio
import ipaddress
import itertools
import random
from collections.abc import Collection, Iterable

from msgspec import Struct

from mailhub.config import schema
from mailhub.config.rules import is_domain
from mailhub.model.errors import Permanent, Temporary
from mailhub.model.reply import Reply
from mailhub.net.local import Machine
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver

NULL_MX = Reply(556, "5.1.10", "The domain takes no mail (null MX)")
NO_DOMAIN = Reply(550, "5.1.2", "The domain does not exist")
NO_HOST = Reply(550, "5.4.4", "No mail host of the domain has an address")
BAD_LITERAL = Reply(550, "5.1.2", "That is no address of a host")
LOOP = Reply(554, "5.4.6", "Mail for this domain loops back to us")
DNS_TROUBLE = Reply(451, "4.4.3", "DNS cannot be asked now")
_NAMES = 20  # looked up of one preference at most: there are domains with hundreds


class Host(Struct, frozen=True):
    """A name and one address of it. For an address literal the name is the literal. `port` 0: that of all mail hosts."""

    name: str
    address: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.name.strip('[]')}[{self.address}]"


class Found(Struct, frozen=True):
    """Hosts to try, in order. `whole`: no better host is missing from the list because DNS did not answer."""

    hosts: list[Host]
    whole: bool = True


class Exchangers:
    """Looks up mail hosts. `own`: names and addresses of ours, before which every list ends. `limit`: hosts wanted."""

    def __init__(
        self, resolver: Resolver, chance: random.Random, own: Collection[str], *, ipv6: bool, limit: int
    ) -> None:
        self._resolver, self._chance, self._ipv6, self._limit = resolver, chance, ipv6, limit
        self._own = frozenset(name.lower() for name in own)

    async def find(self, nexthop: str) -> Found:
        """The hosts of a nexthop as Postfix's transport(5) has it: a domain, whose MX are asked for, or a host or address in
        brackets, which is taken as it is; a colon and a port may stand behind either. Permanent where mail can not be sent there, Temporary where DNS
        cannot tell. At least one host is in the list."""
        place, port = divided(nexthop)
        bracketed = place.startswith("[")
        if bracketed and (literal := self._literal(place, port)) is not None:
            return Found([literal])
        try:
            groups = [[place.strip("[]")]] if bracketed else await self._groups(place)
        except NoSuchName as error:
            raise Permanent(str(error), NO_DOMAIN) from error
        except DnsTemporary as error:
            raise Temporary(str(error), DNS_TROUBLE) from error
        hosts: list[Host] = []
        own = frozenset() if port else self._own  # at another port there is another program
        whole, ours = True, False
        most = (
            self._limit if sum(map(len, groups)) == 1 else max(2, self._limit // 2)
        )  # of one name: the next is not hidden
        for names in groups:
            addresses = await asyncio.gather(*map(self._addresses, names[:_NAMES]))
            ours = not own.isdisjoint(names) or any(not own.isdisjoint(some or ()) for some in addresses)
            if ours:
                break  # RFC 5321: we, and all hosts that are no better than we are
            whole = whole and None not in addresses
            for name, some in zip(names, addresses, strict=False):
                hosts += [Host(name, address, port) for address in (some or ())[:most]]
            if len(hosts) >= self._limit:
                break
        if not hosts:
            if not whole:
                raise Temporary(f"addresses of the mail hosts of {nexthop}: DNS does not answer", DNS_TROUBLE)
            if ours:
                raise Permanent(f"we are the best mail host of {nexthop}, and do not know it for ours", LOOP)
            raise Permanent(f"no mail host of {nexthop} has an address", NO_HOST)
        return Found(hosts[: self._limit], whole)

    async def _groups(self, domain: str) -> list[list[str]]:
        """Names of equal preference in any order, the better preference first."""
        try:
            records = await self._resolver.mx(domain)
        except NoData:
            return [[domain]]  # the implicit MX
        named = sorted({(preference, name) for preference, name in records if name})
        if not named:
            raise Permanent(f"{domain} has a null MX", NULL_MX)
        groups: list[list[str]] = []
        seen: set[str] = set()
        for _, group in itertools.groupby(named, key=lambda record: record[0]):
            names = [name for _, name in group if name not in seen]
            self._chance.shuffle(names)
            seen.update(names)
            groups.append(names)
        return groups

    async def _addresses(self, name: str) -> list[str] | None:
        """IPv6 and IPv4 by turns, each kind shuffled (our cache would pin the order that DNS varies); None: not known now."""
        try:
            found = await self._resolver.addresses(name, ipv6=self._ipv6)
        except (NoSuchName, NoData):
            return []
        except DnsTemporary:
            return None
        self._chance.shuffle(found)
        return _by_turns([a for a in found if ":" in a], [a for a in found if ":" not in a])

    def _literal(self, text: str, port: int) -> Host | None:
        """`[192.0.2.1]` and `[IPv6:...]` (RFC 5321 section 4.1.3); None for a name in brackets."""
        inner = text.strip("[]")
        if inner.lower().startswith("ipv6:"):
            inner = inner[5:]
        try:
            address = str(ipaddress.ip_address(inner))
        except ValueError as error:
            if is_domain(inner) and not inner.rpartition(".")[2].isdigit():
                return None
            raise Permanent(f"not an address: {text!r}", BAD_LITERAL) from error
        if address in self._own and not port:
            raise Permanent(f"{text} is ours", LOOP)
        return Host(text, address, port)


def divided(nexthop: str) -> tuple[str, int]:
    """`[host]:port`, `host:port`; port 0 where there is none."""
    place, colon, port = nexthop.rpartition(":")
    if not colon or nexthop.endswith("]"):
        return nexthop, 0
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65_535):
        raise Permanent(f"not a port: {nexthop!r}", BAD_LITERAL)
    return place, int(port)


def own_addresses(doors: Iterable[schema.Listener], machine: Machine, port: int) -> frozenset[str]:
    """Where a mail host that is asked on `port` would be ourselves."""
    found: set[str] = set()
    for door in doors:
        if door.protocol == "smtp" and not door.path and door.port == port:
            everywhere = door.address in ("", "0.0.0.0", "::")
            found |= {*machine.own, "127.0.0.1", "::1"} if everywhere else {door.address}
    return frozenset(found)


def _by_turns(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return [address for pair in itertools.zip_longest(first, second) for address in pair if address is not None]
