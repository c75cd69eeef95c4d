"""The one object that is asked who exists, and through which that is changed.

Look-ups read one row by key from the store and remember it. Names from outside come
in any case; they are compared in key form (`model.address.key`).
"""

import logging
import math
from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

from mailhub.config import schema
from mailhub.model.address import domain_of, key
from mailhub.model.errors import Exists, NotFound, Permanent
from mailhub.model.reply import Reply
from mailhub.store.api import AccountRow, AliasRow, DirectoryStore

from . import names, passwords
from .hasher import Hasher
from .recent import Recent, never

log = logging.getLogger("mailhub.directory")

PAGE = 1_000  # rows of one read of a list


class Account(Struct, frozen=True):
    """Someone who keeps mail here. `name`: the address in key form. Not `enabled`: takes mail, may not sign in."""

    name: str
    enabled: bool = True


class Alias(Struct, frozen=True):
    """`address` in key form ("@domain": the catch-all) stands for `targets`."""

    address: str
    targets: tuple[str, ...]


class Forward(Struct, frozen=True):
    """Mail for the account `name` goes on to `targets`; `keep`: and stays, too."""

    name: str
    targets: tuple[str, ...]
    keep: bool


class Domain(Struct, frozen=True):
    """A domain whose mail is ours, and what made it so: config.toml or `mailhub domain add`."""

    name: str
    source: Literal["config", "store"]


class State(Struct, frozen=True):
    """A database of others. `away`: since when (wall time), 0 where it answers. `known`: names and domains that are remembered."""

    name: str
    away: float
    cause: str
    known: int


class Directory:
    """One per hub. `auth`: the [auth] section; `domains`: those of the config file, united with the store's. `lifetime`: seconds by `now` that
    an answer is remembered: others may change what is in the store."""

    writable = True

    def __init__(
        self,
        store: DirectoryStore,
        auth: schema.Auth,
        hasher: Hasher,
        *,
        domains: Iterable[str] = (),
        cache_limit: int = 10_000,
        lifetime: float = math.inf,
        now: Callable[[], float] = never,
    ) -> None:
        self._store, self._auth, self._hasher = store, auth, hasher
        self._configured = frozenset(map(str.lower, domains))
        self._accounts: Recent[str, AccountRow | None] = Recent(cache_limit, lifetime, now)
        self._aliases: Recent[str, AliasRow | None] = Recent(cache_limit, lifetime, now)
        self._domains: Recent[str, bool] = Recent(cache_limit, lifetime, now)

    def configure(self, auth: schema.Auth, domains: Iterable[str]) -> None:
        """Take over a new configuration."""
        self._auth, self._configured = auth, frozenset(map(str.lower, domains))

    def close(self) -> None:
        """Give back what it holds."""

    @property
    def state(self) -> State | None:
        """Of the database that it is read from, where there is one."""
        return None

    # --- look-ups ---

    async def domain(self, name: str) -> bool:
        """Whether mail for that domain is ours."""
        name = name.lower()
        return name in self._configured or (names.possible(name) and await self._domains.get(name, self._store.domain))

    async def account(self, address: str) -> Account | None:
        row = await self.stored(address)
        return None if row is None else Account(row.name, row.enabled)

    async def stored(self, address: str) -> AccountRow | None:
        """The account with its stored password, for who checks passwords."""
        name = key(address)
        return await self._accounts.get(name, self._store.account) if names.possible(name) else None

    def forget(self, address: str) -> None:
        """What is remembered of the account: the next question is answered by the store."""
        self._accounts.drop(key(address))

    async def alias(self, address: str) -> tuple[str, ...] | None:
        """What the alias of exactly that address stands for; None where there is none."""
        name = key(address)
        row = await self._aliases.get(name, self._store.alias) if names.possible(name) else None
        return None if row is None else row.targets

    async def catch_all(self, domain: str) -> tuple[str, ...] | None:
        """Where mail goes that is for nobody else in the domain."""
        return await self.alias("@" + domain)

    async def domains(self) -> list[Domain]:
        """All of them, by name."""
        stored = set(await self._store.domains()) - self._configured
        every = [Domain(name, "config") for name in self._configured] + [Domain(name, "store") for name in stored]
        return sorted(every, key=lambda domain: domain.name)

    async def accounts(self, after: str = "", limit: int = PAGE) -> list[Account]:
        """A page of accounts by name, from above `after`."""
        return [Account(row.name, row.enabled) for row in await self._store.accounts(after, limit)]

    async def aliases(self, after: str = "", limit: int = PAGE) -> list[Alias]:
        """A page of aliases by address, from above `after`."""
        return [Alias(row.address, row.targets) for row in await self._store.aliases(after, limit)]

    async def aliases_to(self, account: str, limit: int) -> list[str]:
        """Aliases that lead to that account and to nobody else, without those of whole domains."""
        return await self._store.aliases_to(key(account), limit)

    # --- changes ---

    async def add_account(self, address: str, password: str | None) -> Account:
        """A new account; without a password nobody can sign in to it. Exists, Permanent (bad name, domain not ours)."""
        name = names.account(address)
        stored = "" if password is None else await self._hashed(password)
        return await self.restore_account(name, stored, enabled=True)

    async def restore_account(self, address: str, stored: str, *, enabled: bool) -> Account:
        """The same with a password as it was stored before."""
        name = names.account(address)
        await self._require_domain(domain_of(name))
        try:
            await self._store.put_account(AccountRow(name, stored, enabled))
        finally:
            self._accounts.drop(name)
        return Account(name, enabled)

    async def set_password(self, address: str, password: str) -> None:
        """NotFound where there is no such account."""
        name = (await self._existing(address)).name
        stored = await self._hashed(password)
        try:
            await self._store.set_password(name, stored)
        finally:
            self._accounts.drop(name)

    async def set_enabled(self, address: str, enabled: bool) -> None:
        """Whether the account may sign in; its mail comes all the same. NotFound."""
        row = await self._existing(address)
        try:
            await self._store.set_enabled(row.name, enabled)
        finally:
            self._accounts.drop(row.name)

    async def rehash(self, row: AccountRow, password: str) -> None:
        """Write the password of `row`, known to be right, in the schemes of now; not where it was changed meanwhile."""
        stored = await self._hashed(password)
        try:
            await self._store.set_password(row.name, stored, known=row.password)
        finally:
            self._accounts.drop(row.name)

    async def remove_account(self, address: str) -> None:
        """NotFound where there is none. Its mail is the store's business."""
        name = key(address)
        try:
            await self._store.delete_account(name)
        finally:
            self._accounts.drop(name)

    async def hold(self, address: str) -> None:
        """To be called before something that opens the account besides its password is kept in the embedded store, which keeps such things with the
        account's row and no longer. Permanent where the directory has its accounts elsewhere, and does not hear when they end."""

    async def set_alias(self, address: str, targets: Iterable[str]) -> Alias:
        """Make the alias, or give it these targets. Permanent where a name can not be used."""
        name = names.alias(address)
        await self._require_domain(domain_of(name))
        places = tuple(dict.fromkeys(map(names.target, targets)))
        if not 0 < len(places) <= PAGE:
            raise Permanent(f"alias {name} needs 1 to {PAGE} targets")
        try:
            await self._store.put_alias(AliasRow(name, places))
        finally:
            self._aliases.drop(name)
        return Alias(name, places)

    async def remove_alias(self, address: str) -> None:
        """NotFound where there is none."""
        name = key(address)
        try:
            await self._store.delete_alias(name)
        finally:
            self._aliases.drop(name)

    async def forward(self, address: str) -> Forward:
        """Where the account's mail goes beside, or instead of, its mailbox: an alias of its own name. NotFound where there is no
        account."""
        name = (await self._existing(address)).name
        targets = await self.alias(name) or ()
        others = tuple(target for target in targets if key(target) != name)
        return Forward(name, others, keep=len(others) < len(targets) or not targets)

    async def set_forward(self, address: str, targets: Iterable[str], *, keep: bool) -> Forward:
        """`keep`: the account gets a copy, too. No targets end it. NotFound, Permanent."""
        name = (await self._existing(address)).name
        others = [target for target in targets if key(target) != name]
        if others:
            await self.set_alias(name, [name, *others] if keep else others)
        elif await self.alias(name) is not None:
            await self.remove_alias(name)
        return await self.forward(name)

    async def add_domain(self, name: str) -> str:
        """Exists where it is ours already."""
        name = names.domain(name)
        if await self.domain(name):
            raise Exists(f"domain {name} exists")
        try:
            await self._store.put_domain(name)
        finally:
            self._domains.drop(name)
        return name

    async def remove_domain(self, name: str) -> None:
        """NotFound where there is none; Permanent where the config file names it, or accounts or aliases live in it."""
        name = name.lower()
        if name in self._configured:
            raise Permanent(f"domain {name} stands in the config file, under `domains`")
        if inhabitant := await self._inhabitant(name):
            raise Permanent(f"domain {name} is in use by {inhabitant}, at least")
        try:
            await self._store.delete_domain(name)
        finally:
            self._domains.drop(name)

    # --- who may change what ---

    async def admins(self, domain: str) -> list[str]:
        """Accounts that may change the accounts and aliases of the domain."""
        return await self._store.admins(domain.lower())

    async def administers(self, account: str, domain: str) -> bool:
        """Whether the account may change the accounts and aliases of that domain; of none else but those that it was named for, its
        own not excepted. One that may not sign in may change nothing."""
        row = await self.stored(account)
        named = row is not None and row.enabled and await self._store.administers(row.name, domain.lower())
        return named and await self.domain(domain)

    async def administered(self, account: str) -> tuple[str, ...]:
        """The domains of ours that the account was named for, by name; whether it may sign in, and even whether it is there, does not
        matter. One that the config file has no more is none of ours."""
        return tuple([name for name in await self._store.administered(key(account)) if await self.domain(name)])

    async def add_admin(self, domain: str, account: str) -> None:
        """NotFound where the domain is not ours, or there is no such account."""
        await self._require_domain(domain.lower())
        await self._store.put_admin(domain.lower(), (await self._existing(account)).name)

    async def remove_admin(self, domain: str, account: str) -> None:
        """NotFound."""
        await self._store.delete_admin(domain.lower(), key(account))

    async def _existing(self, address: str) -> AccountRow:
        """By the address as it came: a second round of `key` would take more quotes away, and find somebody else."""
        row = await self.stored(address)
        if row is None:
            raise NotFound(f"no account {key(address)}")
        return row

    async def _hashed(self, password: str) -> str:
        secret = password.encode("utf-8", "surrogatepass")
        if not 0 < len(secret) <= passwords.LIMIT or b"\0" in secret:
            reply = Reply(550, "5.7.0", "Unusable password")
            raise Permanent(f"a password has 1 to {passwords.LIMIT} octets and no NUL", reply)
        auth = self._auth
        return await self._hasher.hash(secret, auth.scheme, auth.scram, auth.scram_iterations)

    async def _require_domain(self, name: str) -> None:
        if not await self.domain(name):
            raise NotFound(f"domain {name} is not ours: `mailhub domain add {name}` makes it so")

    async def _inhabitant(self, domain: str) -> str:
        """An account or alias in the domain, "" where there is none."""
        after = ""
        while accounts := await self._store.accounts(after, PAGE):
            for account in accounts:
                if domain_of(account.name) == domain:
                    return account.name
            after = accounts[-1].name
        after = ""
        while aliases := await self._store.aliases(after, PAGE):
            for alias in aliases:
                if domain_of(alias.address) == domain:
                    return alias.address
            after = aliases[-1].address
        return ""
