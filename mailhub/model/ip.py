"""IP addresses and networks as text. An IPv4 address written as IPv6 (::ffff:192.0.2.1) is that IPv4 address."""

import ipaddress
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


# Asked some ten times for each message: 6 % of the time that a message took, measured.
@lru_cache(1024)
def parse(client: str) -> Address | None:
    """The address without its zone, an IPv4-mapped one as IPv4; None for "" and what is no address."""
    try:
        ip: Address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def plain(client: str) -> str:
    """The address as everything here writes it: an IPv4-mapped one (::ffff:192.0.2.1) as IPv4; text that is none as it is."""
    ip = parse(client)
    return client if ip is None or "%" in client else str(ip)


def network(text: str) -> Network:
    """A network of IPv4, of IPv6, or of IPv4 written as IPv6. ValueError where it is none, or its host bits are not 0."""
    found = ipaddress.ip_network(text)
    inner = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if inner is None or found.prefixlen < 96:
        return found
    return ipaddress.ip_network(f"{inner}/{found.prefixlen - 96}")
