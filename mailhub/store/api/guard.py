"""What the guard remembers over a restart: bans, and for each account how much it sent today and to whom it ever wrote."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class BanRow(Struct, frozen=True):
    """A ban of a network ("192.0.2.1/32"). `strikes`: how many there were, this one included; `until` in the past: kept
    so that the next one is longer. Times are wall time."""

    network: str
    cause: str
    since: float
    until: float
    strikes: int = 1
    note: str = ""


class GuardStore(Protocol):
    """Rows of the guard. Reads by key are those of one row."""

    async def bans(self, since: float = 0.0) -> list[BanRow]:
        """Those that were made from then on, those that are over too."""
        ...

    async def put_bans(self, rows: Sequence[BanRow], dropped: Sequence[str]) -> None:
        """Set the bans of those networks, and forget those of the `dropped` ones."""
        ...

    async def sent(self, account: str, day: int) -> tuple[int, int]:
        """(messages, new recipients) of the account on that day (days since 1970, UTC)."""
        ...

    async def wrote_to(self, account: str, recipient: bytes) -> bool:
        """Whether the account ever wrote to the recipient with that digest, as far as is remembered."""
        ...

    async def add_sent(
        self, account: str, day: int, messages: int, new: int, recipients: Sequence[bytes], known_limit: int
    ) -> tuple[int, int]:
        """Add to the account's counts of that day, which it returns, and remember the recipients, at most `known_limit`, the latest
        ones. Counts of earlier days go in the same unit."""
        ...
