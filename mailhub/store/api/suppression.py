"""Addresses that mail from our accounts is held back from: they refused it for good, several times, or an operator said so."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class HardBounce(Struct, frozen=True):
    """A refusal for good. `address`: in key form; `at`: wall time; `remote`: who said `reply`, "" for ourselves."""

    address: str
    at: float
    remote: str
    reply: str


class Memory(Struct, frozen=True):
    """What a settling unit teaches of addresses: those that refused, and those that took mail and so begin anew.

    An address with `after` refusals within `within` seconds is held back for `seconds`; at most `limit` are remembered.
    """

    refused: tuple[HardBounce, ...]
    well: tuple[str, ...]
    after: int
    within: float
    seconds: float
    limit: int


class SuppressionRow(Struct, frozen=True):
    """`source`: "bounces" or "operator". `until`: wall time, None for ever, in the past where it is only counted."""

    address: str
    source: str
    until: float | None
    history: tuple[HardBounce, ...] = ()
    note: str = ""


class SuppressionStore(Protocol):
    """Rows by address (model.address.key). They are learnt in settling units."""

    async def find(self, address: str) -> SuppressionRow | None:
        """A read of one row by key."""
        ...

    async def page(self, after: str = "", limit: int = 100) -> Sequence[SuppressionRow]:
        """In the order of the addresses."""
        ...

    async def put(self, row: SuppressionRow) -> None:
        """In place of what was known of the address."""
        ...

    async def remove(self, address: str) -> None:
        """NotFound where there is none."""
        ...
