"""Client addresses as text, and what counts as one client."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse(client: str) -> Address | None:
    """The address without its zone, an IPv4-mapped one as IPv4; None for "" and what is no address."""
    try:
        ip: Address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


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
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def __contains__(self, client: str) -> bool:
        """`client`: an address as text; "" and what is no address are in no network."""
        ip = parse(client)
        return ip is not None and any(ip in network for network in self._networks)
