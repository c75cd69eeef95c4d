"""api.DirectoryStore on a cluster."""

import json

from msgspec import Struct

from mailhub.model.errors import Exists, NotFound

from ..api import AccountRow, AliasRow
from . import bounds
from .credentials import Change, MysqlCredentials, require_account
from .engine import Duplicate, Engine, Tx
from .steps import drained

_OPENS = (
    "app_password",
    "second_factor",
    "passkey",
    "browser",
    "directory_admin",
    "sieve_script",
    "sieve_mark",
    "sent",
    "wrote_to",
)


class SetEnabled(Struct, frozen=True):
    """Browsers that were signed in are not when the account is enabled again."""

    name: str
    enabled: bool

    async def apply(self, tx: Tx) -> None:
        text = "update directory_account set enabled = %s, changes = changes + 1 where name = %s"
        if not await tx.run(text, self.enabled, self.name):
            raise NotFound(f"no account {self.name}")
        if not self.enabled:
            await tx.run("delete from browser where account = %s", self.name)


class DeleteAccount(Struct, frozen=True):
    """With all that opens it, and what is remembered of it."""

    name: str

    async def apply(self, tx: Tx) -> None:
        if not await tx.run("delete from directory_account where name = %s", self.name):
            raise NotFound(f"no account {self.name}")
        for table in _OPENS:
            await tx.run(f"delete from {table} where account = %s", self.name)


class SetPassword(Struct, frozen=True):
    name: str
    password: str
    known: str | None

    async def apply(self, tx: Tx) -> None:
        row = await tx.one("select password from directory_account where name = %s for update", self.name)
        if row is None:
            raise NotFound(f"no account {self.name}")
        if self.known is None or row[0] == self.known:
            text = "update directory_account set password = %s, changes = changes + 1 where name = %s"
            await tx.run(text, self.password, self.name)


class DeleteDomain(Struct, frozen=True):
    name: str

    async def apply(self, tx: Tx) -> None:
        if not await tx.run("delete from directory_domain where name = %s", self.name):
            raise NotFound(f"no domain {self.name}")
        await tx.run("delete from directory_admin where domain = %s", self.name)


class PutAdmin(Struct, frozen=True):
    domain: str
    account: str

    async def apply(self, tx: Tx) -> None:
        await require_account(tx, self.account)
        await tx.run("replace into directory_admin (domain, account) values (%s, %s)", self.domain, self.account)


class KeepMeta(Struct, frozen=True):
    key: str
    value: str

    async def apply(self, tx: Tx) -> str:
        """Two nodes that both find nothing meet in the row: one is done again."""
        row = await tx.one("select value from note where name = %s for update", self.key)
        if row is None:
            await tx.run("insert into note (name, value) values (%s, %s)", self.key, self.value)
        return self.value if row is None else str(row[0])


class MysqlDirectory(MysqlCredentials):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def account(self, name: str) -> AccountRow | None:
        row = await self._engine.one("select password, enabled from directory_account where name = %s", name)
        return None if row is None else AccountRow(name, row[0], bool(row[1]))

    async def alias(self, address: str) -> AliasRow | None:
        row = await self._engine.one("select targets from directory_alias where address = %s", address)
        return None if row is None else AliasRow(address, tuple(json.loads(row[0])))

    async def domain(self, name: str) -> bool:
        return await self._engine.one("select 1 from directory_domain where name = %s", name) is not None

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountRow]:
        text = "select name, password, enabled from directory_account where name > %s order by name limit %s"
        rows = await self._engine.all(text, after, limit)
        return [AccountRow(name.decode(), password, bool(enabled)) for name, password, enabled in rows]

    async def aliases(self, after: str = "", limit: int = 1000) -> list[AliasRow]:
        text = "select address, targets from directory_alias where address > %s order by address limit %s"
        rows = await self._engine.all(text, after, limit)
        return [AliasRow(address.decode(), tuple(json.loads(targets))) for address, targets in rows]

    async def aliases_to(self, target: str, limit: int) -> list[str]:
        text = (
            "select address from directory_alias where sole = %s and address not like '@%%' order by address limit %s"
        )
        return [row[0].decode() for row in await self._engine.all(text, sole_of((target,)), limit)]

    async def domains(self) -> list[str]:
        return [row[0].decode() for row in await self._engine.all("select name from directory_domain order by name")]

    async def put_account(self, row: AccountRow) -> None:
        text = "insert into directory_account (name, password, enabled) values (%s, %s, %s)"
        try:
            await self._engine.do(Change(text, (row.name, row.password, row.enabled)))
        except Duplicate as error:
            raise Exists(f"account {row.name} exists") from error

    async def set_password(self, name: str, password: str, known: str | None = None) -> None:
        await self._engine.do(SetPassword(name, password, known), again=True)

    async def set_enabled(self, name: str, enabled: bool) -> None:
        await self._engine.do(SetEnabled(name, enabled), again=True)

    async def delete_account(self, name: str) -> None:
        """What is remembered of it may be much, and goes in steps before."""
        if await self.account(name) is not None:
            for table in ("wrote_to", "sieve_mark"):
                await drained(self._engine, f"{table} where account = %s", name)
        await self._engine.do(DeleteAccount(name))

    async def put_alias(self, row: AliasRow) -> None:
        text = "replace into directory_alias (address, targets, sole) values (%s, %s, %s)"
        sole = sole_of(row.targets) if len(row.targets) == 1 else None
        await self._engine.do(Change(text, (row.address, json.dumps(row.targets), sole)), again=True)

    async def delete_alias(self, address: str) -> None:
        text = "delete from directory_alias where address = %s"
        await self._engine.do(Change(text, (address,), f"no alias {address}"))

    async def put_domain(self, name: str) -> None:
        await self._engine.do(Change("replace into directory_domain (name) values (%s)", (name,)), again=True)

    async def delete_domain(self, name: str) -> None:
        await self._engine.do(DeleteDomain(name))

    async def admins(self, domain: str) -> list[str]:
        text = "select account from directory_admin where domain = %s order by account"
        return [row[0].decode() for row in await self._engine.all(text, domain)]

    async def administers(self, account: str, domain: str) -> bool:
        text = "select 1 from directory_admin where domain = %s and account = %s"
        return await self._engine.one(text, domain, account) is not None

    async def administered(self, account: str) -> list[str]:
        rows = await self._engine.all("select domain from directory_admin where account = %s order by domain", account)
        return [row[0].decode() for row in rows]

    async def put_admin(self, domain: str, account: str) -> None:
        await self._engine.do(PutAdmin(domain, account), again=True)

    async def delete_admin(self, domain: str, account: str) -> None:
        text = "delete from directory_admin where domain = %s and account = %s"
        await self._engine.do(Change(text, (domain, account), f"{account} is no admin of {domain}"))

    async def meta(self, key: str) -> str | None:
        row = await self._engine.one("select value from note where name = %s", key)
        return None if row is None else str(row[0])

    async def set_meta(self, key: str, value: str) -> None:
        await self._engine.do(Change("replace into note (name, value) values (%s, %s)", (key, value)), again=True)

    async def keep_meta(self, key: str, value: str) -> str:
        try:
            return await self._engine.do(KeepMeta(key, value), again=True)
        except Duplicate:  # another was quicker, on this node of the cluster
            return await self._engine.do(KeepMeta(key, value), again=True)


def sole_of(targets: tuple[str, ...]) -> bytes:
    """The same in any case of ASCII."""
    return bounds.digest(json.dumps(targets).lower())
