"""Relay control: who may send mail through us to others, and which addresses try to do it by a trick."""

import ipaddress
from collections.abc import Callable, Iterable

from mailhub.model import address
from mailhub.net import addresses


class Networks:
    """A set of networks (`mynetworks`); ValueError where one is malformed. No client is in it whose address is `shared`."""

    def __init__(self, networks: Iterable[str], shared: Callable[[str], bool] = lambda client: False) -> None:
        self._shared = shared
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def __contains__(self, client: str) -> bool:
        """`client`: an address as text; "" and what is no address are in no network."""
        ip = addresses.parse(client)
        return ip is not None and any(ip in network for network in self._networks) and not self._shared(client)


def names_another_host(local: str) -> bool:
    """Whether a local part holds a route of its own: `user%host`, `host!user`, `"user@host"`.

    We never follow one, but a host behind us might, taking our word for it that the sender may relay.
    """
    return any(sign in address.unquote(local) for sign in "%!@")
