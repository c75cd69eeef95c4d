"""Browsers that are signed in."""

from typing import Protocol

from msgspec import Struct


class BrowserRow(Struct, frozen=True):
    """`digest`: SHA-256 of what its cookie says, hex: that has 256 bits, so that no slow hash is needed. `id`: how it is named in lists, no
    secret. `stamp`: of the password that opened it. `client`, `agent`: where it was last, and what it calls itself. Wall times: `used` last,
    within minutes; `confirmed`: when the password was typed last."""

    digest: str
    id: str
    account: str
    stamp: str
    created: float
    used: float
    confirmed: float
    client: str
    agent: str


class BrowserLimits(Struct, frozen=True):
    """How many there are of an account and in all; those unused since, or begun before, are over (wall times). `kept`: accounts that make no room
    for others."""

    per_account: int
    total: int
    unused: float
    begun: float
    kept: tuple[str, ...] = ()


class BrowserStore(Protocol):
    """By the digest of their cookies."""

    async def found(self, digest: str) -> BrowserRow | None: ...

    async def of(self, account: str) -> list[BrowserRow]:
        """The one used last first."""
        ...

    async def put(self, row: BrowserRow, limits: BrowserLimits) -> None:
        """One more. What is over goes, and where there are too many, those longest unused: of its account, and in all of whoever has most."""
        ...

    async def use(self, digest: str, used: float, client: str, agent: str) -> None: ...

    async def confirm(self, digest: str, confirmed: float) -> None: ...

    async def end(self, digest: str) -> None:
        """It may be gone."""
        ...

    async def end_one(self, account: str, id: str) -> None:
        """NotFound where the account has none of that name."""
        ...

    async def end_others(self, account: str, digest: str) -> int:
        """All of the account but that one; how many there were."""
        ...
