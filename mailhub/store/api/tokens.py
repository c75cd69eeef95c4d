"""What programs show to the HTTP interface."""

from typing import Protocol

from msgspec import Struct


class TokenRow(Struct, frozen=True):
    """`digest`: SHA-256 of the token, hex. `scopes`: what it may do ("queue:read"). Times are wall times; `expires` 0: never; `used`: last,
    to the hour, by `client`; 0: never. `maker`: the account whose browser made it, "" where a command did."""

    name: str
    digest: str
    scopes: tuple[str, ...]
    created: float
    expires: float = 0.0
    used: float = 0.0
    client: str = ""
    maker: str = ""


class TokenStore(Protocol):
    """Tokens by name, and by digest."""

    async def found(self, digest: str) -> TokenRow | None: ...

    async def page(self) -> list[TokenRow]:
        """All, by name."""
        ...

    async def put(self, row: TokenRow, limit: int) -> None:
        """Exists where the name is taken; LimitReached above `limit` of them."""
        ...

    async def use(self, name: str, used: float, client: str) -> None: ...

    async def remove(self, name: str) -> None:
        """NotFound."""
        ...
