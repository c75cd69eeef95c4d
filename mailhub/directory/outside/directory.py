"""The `Directory` that is read from a database of others."""

from collections.abc import Iterable
from typing import NoReturn

from mailhub.model.address import key
from mailhub.model.errors import Permanent
from mailhub.store.api import AccountRow

from .. import names
from ..directory import PAGE, Account, Alias, Directory, Domain, Forward, State
from .source import Source

READ_ONLY = "the directory is a database of others ([directory] kind), which is read and never written: change it there"

NO_CREDENTIALS = (
    "no app passwords, second factors or passkeys: the directory is a database of others ([directory] kind), which does not"
    " tell when an account ends"
)


class OutsideDirectory(Directory):
    """Changes are refused in words."""

    writable = False
    source: Source

    def read(self, source: Source) -> "OutsideDirectory":
        """To be called before the first look-up."""
        self.source = source
        return self

    def close(self) -> None:
        self.source.close()

    @property
    def state(self) -> State:
        return self.source.state

    # --- look-ups ---

    async def domain(self, name: str) -> bool:
        name = name.lower()
        return name in self._configured or (_askable(name) and await self.source.domain(name))

    async def account(self, address: str) -> Account | None:
        row = await self.stored(address)
        return None if row is None else Account(row.name, row.enabled)

    async def stored(self, address: str) -> AccountRow | None:
        name = key(address)
        return (await self.source.name(name)).account if _askable(name) and not name.startswith("@") else None

    def forget(self, address: str) -> None:
        self.source.forget(key(address))

    async def alias(self, address: str) -> tuple[str, ...] | None:
        name = key(address)
        return (await self.source.name(name)).targets or None if _askable(name) else None

    async def domains(self) -> list[Domain]:
        every = [Domain(name, "config") for name in self._configured]
        found = await self.source.tables.domains(self.source.ask)
        every += [Domain(name, "store") for name in {*found} - self._configured]
        return sorted(every, key=lambda domain: domain.name)

    async def accounts(self, after: str = "", limit: int = PAGE) -> list[Account]:
        rows = await self.source.tables.accounts(self.source.ask, after, limit)
        return [Account(row.name, row.enabled) for row in rows]

    async def aliases(self, after: str = "", limit: int = PAGE) -> list[Alias]:
        rows = await self.source.tables.aliases(self.source.ask, after, limit)
        return [Alias(row.address, row.targets) for row in rows]

    async def aliases_to(self, account: str, limit: int) -> list[str]:
        """A database of others can not be asked that."""
        return []

    # --- changes ---

    async def add_account(self, address: str, password: str | None) -> Account:
        _refuse()

    async def restore_account(self, address: str, stored: str, *, enabled: bool) -> Account:
        _refuse()

    async def set_password(self, address: str, password: str) -> None:
        _refuse()

    async def set_enabled(self, address: str, enabled: bool) -> None:
        _refuse()

    async def rehash(self, row: AccountRow, password: str) -> None:
        _refuse()

    async def remove_account(self, address: str) -> None:
        _refuse()

    async def hold(self, address: str) -> None:
        raise Permanent(NO_CREDENTIALS)

    async def set_alias(self, address: str, targets: Iterable[str]) -> Alias:
        _refuse()

    async def remove_alias(self, address: str) -> None:
        _refuse()

    async def set_forward(self, address: str, targets: Iterable[str], *, keep: bool) -> Forward:
        _refuse()

    async def admins(self, domain: str) -> list[str]:
        name = domain.lower()
        return await self.source.tables.admins(self.source.ask, name) if _askable(name) else []

    async def administers(self, account: str, domain: str) -> bool:
        """Also of admins who have a mailbox by that name; the passwords of those tables are for PostfixAdmin alone."""
        row = await self.stored(account)
        return row is not None and row.enabled and row.name in await self.admins(domain)

    async def administered(self, account: str) -> tuple[str, ...]:
        name = key(account)
        found = await self.source.tables.administered(self.source.ask, name) if _askable(name) else []
        return tuple([domain for domain in found if await self.domain(domain)])

    async def add_admin(self, domain: str, account: str) -> None:
        _refuse()

    async def remove_admin(self, domain: str, account: str) -> None:
        _refuse()

    async def add_domain(self, name: str) -> str:
        _refuse()

    async def remove_domain(self, name: str) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise Permanent(READ_ONLY)


def _askable(name: str) -> bool:
    """Blanks at an end are nothing to most tables, and no part of a name that mail is kept for."""
    local, _, domain = name.rpartition("@")
    return bool(name) and names.possible(name) and local == local.strip() and domain == domain.strip()
