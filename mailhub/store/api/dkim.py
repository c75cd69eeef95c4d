"""Keys that sign our mail (DKIM)."""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

KeyState = Literal["new", "active", "retired"]


class DkimKey(Struct, frozen=True):
    """`kind`: "rsa" or "ed25519"; `pem`: the private key. `state`: "new" until its record is seen in DNS, "active": it signs, "retired": it
    signed, and mail under way still needs its record. `since`: of that state (wall time)."""

    domain: str
    selector: str
    kind: str
    pem: bytes
    state: KeyState
    since: float


class DkimStore(Protocol):
    """Keys by domain and selector."""

    def none(self) -> bool:
        """Whether it is known that no domain has keys: then nobody needs to look whose message it is."""
        ...

    async def of(self, domain: str) -> Sequence[DkimKey]:
        """All of a domain, the oldest first."""
        ...

    async def domains(self) -> list[str]:
        """Those that have keys."""
        ...

    async def put(self, keys: Sequence[DkimKey]) -> None:
        """Set them, all or none."""
        ...

    async def change(self, keys: Sequence[DkimKey]) -> None:
        """State and time of those that are there still, all or none."""
        ...

    async def remove(self, domain: str, selector: str) -> None:
        """NotFound."""
        ...
