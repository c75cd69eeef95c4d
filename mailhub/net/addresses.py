"""Client addresses as text, and what counts as one client."""

import ipaddress
from collections.abc import Iterable

from mailhub.model.ip import Address as Address
from mailhub.model.ip import Network as Network
from mailhub.model.ip import network as network
from mailhub.model.ip import parse as parse
from mailhub.model.ip import plain as plain


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
    """A set of networks; ValueError where one is malformed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(network(str(ipaddress.ip_network(text, strict=False))) for text in networks)

    def __contains__(self, client: str) -> bool:
        """`client`: an address as text; "" and what is no address are in no network."""
        ip = parse(client)
        return ip is not None and any(ip in network for network in self._networks)
