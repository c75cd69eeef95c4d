"""Relay control: who may send mail through us to others, and which addresses try to do it by a trick."""

from collections.abc import Callable, Iterable, Sequence

from mailhub.config import lookup
from mailhub.model import address
from mailhub.net import addresses


class Networks(addresses.Networks):
    """`mynetworks`. No client is in it whose address is `shared`."""

    def __init__(self, networks: Iterable[str], shared: Callable[[str], bool] = lambda client: False) -> None:
        super().__init__(networks)
        self._shared = shared

    def __contains__(self, client: str) -> bool:
        return super().__contains__(client) and not self._shared(client)


def networks_and_tables(texts: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """What stands in `mynetworks`: networks, and the tables among them."""
    named = tuple(text for text in texts if text.partition(":")[0] in lookup.TYPES)
    return [text for text in texts if text not in named], named


def names_another_host(local: str) -> bool:
    """Whether a local part holds a route of its own: `user%host`, `host!user`, `"user@host"`.

    We never follow one, but a host behind us might, taking our word for it that the sender may relay.
    """
    return any(sign in address.unquote(local) for sign in "%!@")
