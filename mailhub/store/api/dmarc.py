"""What was found of other domains' mail, counted for the reports to them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class DmarcCount(Struct, frozen=True):
    """Messages of a `day` (days since 1970, UTC) that were judged alike by the record at `domain`. `found`: JSON, of jobs'."""

    day: int
    domain: str
    found: str


class DmarcStore(Protocol):
    async def add(self, counts: Mapping[DmarcCount, int], limit: int, domain_limit: int) -> None:
        """Add to the counts; of each day at most `limit` rows are kept, and `domain_limit` of one domain: those that came first."""
        ...

    async def reportable(self, before: int, after: tuple[int, str], limit: int) -> Sequence[tuple[int, str]]:
        """Days before that one with the domains that have counts, oldest first, at most `limit` of them, from behind `after`."""
        ...

    async def counts(self, day: int, domain: str) -> list[tuple[str, int]]: ...

    async def remove(self, day: int, domain: str) -> None: ...
