"""The embedded directory: accounts, aliases, domains."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account. `name`: its address in key form (model.address.key). `password`: "{SCHEME}..." or "" (no login)."""

    name: str
    password: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An alias: `address` in key form ("@domain" is the domain's catch-all) to one or more addresses."""

    address: str
    targets: tuple[str, ...] = field(default=())


class DirectoryStore(Protocol):
    """The embedded directory's rows. Reads are one row by key."""

    def account(self, name: str) -> AccountRow | None: ...

    def alias(self, address: str) -> AliasRow | None: ...

    def domain(self, name: str) -> bool: ...

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountRow]: ...

    async def aliases(self, after: str = "", limit: int = 1000) -> list[AliasRow]: ...

    async def domains(self) -> list[str]: ...

    async def put_account(self, row: AccountRow, *, replace: bool) -> None:
        """Exists / NotFound where `replace` does not fit what is there."""
        ...

    async def delete_account(self, name: str) -> None: ...

    async def put_alias(self, row: AliasRow) -> None:
        """Sets the alias's targets, whatever they were."""
        ...

    async def delete_alias(self, address: str) -> None: ...

    async def put_domain(self, name: str) -> None: ...

    async def delete_domain(self, name: str) -> None: ...

    async def meta(self, key: str) -> str | None:
        """A small durable note (schema version, whether the demo accounts were made)."""
        ...

    async def set_meta(self, key: str, value: str) -> None: ...
