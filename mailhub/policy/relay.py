"""Relay control: who may send mail through us to others, and which addresses try to do it by a trick."""

import ipaddress
from collections.abc import Iterable

from mailhub.model import address


class Networks:
    """A set of networks (`mynetworks`); ValueError where one is malformed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def __contains__(self, client: str) -> bool:
        """`client`: an address as text; "" and what is no address are in no network."""
        try:
            ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(client.partition("%")[0])
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._networks)


def names_another_host(local: str) -> bool:
    """Whether a local part holds a route of its own: `user%host`, `host!user`, `"user@host"`.

    We never follow one, but a host behind us might, taking our word for it that the sender may relay.
    """
    return any(sign in address.unquote(local) for sign in "%!@")
