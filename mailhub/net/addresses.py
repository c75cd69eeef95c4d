"""Client addresses as text, and what counts as one client."""

import ipaddress
from collections.abc import Iterable

from mailhub.model.ip import Address as Address
from mailhub.model.ip import Network as Network
from mailhub.model.ip import network as network
from mailhub.model.ip import parse as parse
from mailhub.model.ip import plain as plain

# what Python before 3.13 takes for public: multicast, site-local, IPv4-compatible, local NAT64, segment routing, documentation
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("224.0.0.0/4", "ff00::/8", "fec0::/10", "::/96", "64:ff9b:1::/48", "5f00::/16", "3fff::/20"),
    )
)
_ASKED = 1_000  # answers that a set of networks remembers
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(client: str) -> bool:
    """Whether that is an address of the public Internet; one that stands for an IPv4 address is what that is (NAT64, 6to4, mapped)."""
    ip = ipaddress.ip_address(client)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not any(ip in one for one in _PRIVATE)


def block(client: str, ipv6_prefix: int) -> str:
    """Under what name a client is counted: its IPv4 address, or the IPv6 network that one customer has for himself.
    "" for what is no address."""
    ip = parse(client)
    if ip is None:
        return ""
    if ip.version == 4 or ipv6_prefix >= 128:
        return str(ip)
    bits = 128 - ipv6_prefix
    return f"{ipaddress.IPv6Address(int(ip) >> bits << bits)}/{ipv6_prefix}"


class Networks:
    """A set of networks; ValueError where one is malformed. Each command of a client asks for the same address: answers are remembered
    (4 % of the loop's time with mail of 4 KB)."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(network(str(ipaddress.ip_network(text, strict=False))) for text in networks)
        self._asked: dict[str, bool] = {}

    def __contains__(self, client: str) -> bool:
        """`client`: an address as text; "" and what is no address are in no network."""
        known = self._asked.get(client)
        if known is None:
            ip = parse(client)
            known = ip is not None and any(ip in network for network in self._networks)
            if len(self._asked) >= _ASKED:
                self._asked.clear()
            self._asked[client] = known
        return known
