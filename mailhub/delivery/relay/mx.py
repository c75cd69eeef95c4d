"""The hosts that take mail for a domain, best first (RFC 5321 section 5.1)."""

import ipaddress
import random
from collections.abc import Collection
from dataclasses import dataclass

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
    """A name and one address of it."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name}[{self.address}]"


async def hosts(
    nexthop: str, resolver: Resolver, chance: random.Random, own: Collection[str], ipv6: bool, limit: int
) -> list[Host]:
    """Hosts in the order of preference, equal ones shuffled. `own`: names of ours; the list ends before us.

    Permanent where the domain takes no mail, Temporary where DNS cannot tell.
    """
    if nexthop.startswith("["):
        return [_literal(nexthop)]
    try:
        names = await _exchangers(nexthop, resolver, chance, own)
    except NoSuchName as error:
        raise Permanent(str(error), NO_DOMAIN) from error
    except DnsTemporary as error:
        raise Temporary(str(error), DNS_TROUBLE) from error
    found: list[Host] = []
    trouble: DnsTemporary | None = None
    for name in names[:limit]:
        try:
            found += [Host(name, address) for address in await resolver.addresses(name, ipv6=ipv6)]
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


def _literal(text: str) -> Host:
    """`[192.0.2.1]` and `[IPv6:...]` (RFC 5321 section 4.1.3)."""
    inner = text.strip("[]")
    if inner.lower().startswith("ipv6:"):
        inner = inner[5:]
    try:
        return Host(text, str(ipaddress.ip_address(inner)))
    except ValueError as error:
        raise Permanent(f"not an address: {text!r}", NO_DOMAIN) from error
