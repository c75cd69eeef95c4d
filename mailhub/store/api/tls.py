"""What is known of other domains' TLS: MTA-STS policies (RFC 8461), and sessions counted for their reports (RFC 8460)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class StsRow(Struct, frozen=True):
    """A domain's policy as it was fetched. `id`: that of its TXT record; `text`: the policy; times are wall time."""

    domain: str
    id: str
    text: str
    fetched: float
    expires: float


class TlsCount(Struct, frozen=True):
    """What sessions of one day (days since 1970, UTC) have in common. `policy`: JSON; `result`: "" for success."""

    day: int
    domain: str
    kind: str
    policy: str
    result: str = ""
    source: str = ""
    host: str = ""
    address: str = ""
    detail: str = ""


class TlsStore(Protocol):
    """Reads by key are those of one row."""

    async def sts(self, domain: str) -> StsRow | None: ...

    async def put_sts(self, row: StsRow, limit: int) -> None:
        """Keep it in place of the one before; at most `limit` are kept, those fetched last."""
        ...

    async def aged_sts(self, now: float, after: str, limit: int) -> Sequence[StsRow]:
        """Those with half of their time or more behind them, by domain, at most `limit` of them, from behind `after`."""
        ...

    async def remove_sts(self, domain: str) -> None: ...

    async def add_sessions(self, counts: Mapping[TlsCount, int], limit: int) -> None:
        """Add to the counts; of each day at most `limit` rows are kept, those that came first."""
        ...

    async def reportable(self, before: int, after: tuple[int, str], limit: int) -> Sequence[tuple[int, str]]:
        """Days before that one with the domains that have counts, oldest first, at most `limit` of them, from behind `after`."""
        ...

    async def sessions(self, day: int, domain: str) -> dict[TlsCount, int]:
        """The counts of that domain on that day."""
        ...

    async def remove_sessions(self, day: int, domain: str) -> None: ...
