"""The hosts that take mail for a domain, best first (RFC 5321 section 5.1)."""

import ipaddress
import random
from collections.abc import Collection
from dataclasses import dataclass

from mailhub.config.rules import is_domain
from mailhub.model.errors import Permanent, Temporary
from mailhub.model.reply import Reply
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver

NULL_MX = Reply(556, "5.1.10", "The domain takes no mail (null MX)")
NO_DOMAIN = Reply(550, "5.1.2", "The domain does not exist")
NO_HOST = Reply(550, "5.4.4", "The domain has no mail host")
LOOP = Reply(554, "5.4.6", "Mail for this domain loops back to us")
DNS_TROUBLE = Reply(451, "4.4.3", "DNS cannot be asked now")


@dataclass(frozen=True, slots=True)
class Host:
    """A name and one address of it. `port` 0: the one of all mail hosts (relay.port)."""

    name: str
    address: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.name}[{self.address}]"


async def hosts(
    nexthop: str, resolver: Resolver, chance: random.Random, own: Collection[str], ipv6: bool, limit: int
) -> list[Host]:
    """Hosts in the order of preference, equal ones shuffled. `own`: names of ours; the list ends before us.

    `nexthop` as in Postfix's transport(5): a domain, whose MX are asked for, or a host in brackets, whose MX are not; a colon and
    a port may stand behind either. Permanent where the domain takes no mail, Temporary where DNS cannot tell.
    """
    place, port = _divided(nexthop)
    bracketed = place.startswith("[")
    if bracketed and (literal := _literal(place, port)) is not None:
        return [literal]
    try:
        names = [place.strip("[]")] if bracketed else await _exchangers(place, resolver, chance, own)
    except NoSuchName as error:
        raise Permanent(str(error), NO_DOMAIN) from error
    except DnsTemporary as error:
        raise Temporary(str(error), DNS_TROUBLE) from error
    found: list[Host] = []
    trouble: DnsTemporary | None = None
    for name in names[:limit]:
        try:
            found += [Host(name, address, port) for address in await resolver.addresses(name, ipv6=ipv6)]
        except (NoSuchName, NoData):
            continue
        except DnsTemporary as error:
            trouble = error
    if not found:
        if trouble is not None:
            raise Temporary(str(trouble), DNS_TROUBLE)
        raise Permanent(f"no host of {nexthop} has an address", NO_HOST)
    return found[:limit]


async def _exchangers(domain: str, resolver: Resolver, chance: random.Random, own: Collection[str]) -> list[str]:
    try:
        records = await resolver.mx(domain)
    except NoData:
        return [domain]  # the implicit MX
    if [name for _, name in records] == [""]:
        raise Permanent(f"{domain} has a null MX", NULL_MX)
    shuffled = [(preference, chance.random(), name) for preference, name in records if name]
    ours = min((preference for preference, _, name in shuffled if name in own), default=None)
    names = [name for preference, _, name in sorted(shuffled) if ours is None or preference < ours]
    if not names:
        raise Permanent(f"we are the best mail host of {domain}, and do not know it for ours", LOOP)
    return list(dict.fromkeys(names))


def _divided(nexthop: str) -> tuple[str, int]:
    """`[host]:port`, `host:port`; port 0 where there is none."""
    place, colon, port = nexthop.rpartition(":")
    if not colon or nexthop.endswith("]"):
        return nexthop, 0
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65_535):
        raise Permanent(f"not a port: {nexthop!r}", NO_DOMAIN)
    return place, int(port)


def _literal(text: str, port: int) -> Host | None:
    """`[192.0.2.1]` and `[IPv6:...]` (RFC 5321 section 4.1.3); None for a name in brackets."""
    inner = text.strip("[]")
    if inner.lower().startswith("ipv6:"):
        inner = inner[5:]
    try:
        return Host(text, str(ipaddress.ip_address(inner)), port)
    except ValueError as error:
        if is_domain(inner):
            return None
        raise Permanent(f"not an address: {text!r}", NO_DOMAIN) from error
