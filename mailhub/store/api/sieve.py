"""Sieve scripts of accounts, and what their scripts remember (RFC 5230 section 4.2, RFC 7352)."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class ScriptRow(Struct, frozen=True):
    """A script without its text. `size`: octets."""

    name: str
    size: int
    active: bool


class SieveMark(Struct, frozen=True):
    """Something that was done or seen for an account: not again before `until` (wall time)."""

    account: str
    key: str
    until: float


class ScriptLimits(Struct, frozen=True):
    """Of one account: scripts, and octets of all of them."""

    count: int
    size: int


class SieveStore(Protocol):
    """Accounts by their key form. NotFound where there is no script of that name."""

    async def scripts(self, account: str) -> Sequence[ScriptRow]:
        """In the order of their names."""
        ...

    async def texts(self, account: str) -> Sequence[tuple[str, bytes]]:
        """All of them, for scripts that include others."""
        ...

    async def script(self, account: str, name: str) -> bytes: ...

    async def active(self, account: str) -> bytes | None:
        """The script that is run, None where there is none: a read of one row, for each delivery."""
        ...

    async def put(self, account: str, name: str, text: bytes, limits: ScriptLimits) -> None:
        """Make it or replace it. LimitReached where it does not fit in."""
        ...

    async def activate(self, account: str, name: str) -> None:
        """Of all scripts that one, "" for none."""
        ...

    async def delete(self, account: str, name: str) -> None:
        """Permanent where it is the active one."""
        ...

    async def rename(self, account: str, name: str, new_name: str) -> None:
        """Exists where there is one of that name; the active one stays active."""
        ...

    async def seen(self, account: str, now: float) -> frozenset[str]:
        """Keys of the marks that are not over."""
        ...
