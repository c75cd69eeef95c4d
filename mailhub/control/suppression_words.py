"""What can be asked about the suppression list."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import PAGE, Done, Page, Request

Address = Annotated[str, Meta(min_length=3, max_length=1_000)]


class Refusal(Struct, frozen=True, kw_only=True):
    """One refusal of an address. `remote`: who gave the reply, "" for ourselves."""

    time: float
    remote: str
    reply: str


class Suppression(Struct, frozen=True, kw_only=True):
    """`source`: "bounces" or "operator". `until`: None for ever. Not `held`: its refusals are only counted, or it is over."""

    address: str
    source: str
    held: bool
    until: float | None
    refusals: tuple[Refusal, ...]
    note: str


class SuppressionList(Request[tuple[Suppression, ...]], frozen=True, kw_only=True, tag="suppression.list"):
    """By address."""

    after: str = ""
    limit: Page = PAGE


class SuppressionAdd(Request[Suppression], frozen=True, kw_only=True, tag="suppression.add"):
    """Hold mail back from the address, for so many seconds or for ever."""

    address: Address
    seconds: Annotated[float, Meta(ge=1, le=3_660 * 86_400)] | None = None
    note: Annotated[str, Meta(max_length=500)] = ""


class SuppressionRemove(Request[Done], frozen=True, kw_only=True, tag="suppression.remove"):
    """Forgotten: its next refusal is a first one."""

    address: Address
