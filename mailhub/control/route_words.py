"""What can be asked about the way of an address."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Request

Address = Annotated[str, Meta(max_length=1_000)]


class Stop(Struct, frozen=True, kw_only=True):
    """One address on the way. `way`: "local", "expand", "hold", "error", "retry", or the transport's name; `to`: mailbox,
    targets, nexthop or reason; `sender`: the reverse-path where it is another; `by`: the option, and the line of its table."""

    address: str
    way: str
    to: str
    sender: str = ""
    by: str = ""


class RouteShow(Request[tuple[Stop, ...]], frozen=True, kw_only=True, tag="route.show"):
    """Where mail would go, aliases followed. Nothing is delivered or changed."""

    address: Address
    sender: Address = ""
