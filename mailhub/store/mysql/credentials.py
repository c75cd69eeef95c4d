"""App passwords, second factors and passkeys. Part of api.DirectoryStore.

What opens an account is written with the account's own row: two nodes that count, or that write and delete, meet there.
"""

import json
from typing import Any

from msgspec import Struct

from mailhub.model.errors import Exists, LimitReached, NotFound

from ..api import AppPasswordRow, PasskeyRow, SecondFactorRow
from .engine import Engine, Tx

_APP = "account, name, digest, services, created, used, client"
_KEY = "id, account, public_key, counter, name, created, used"


async def require_account(tx: Tx, name: str) -> None:
    """NotFound. The account stays as it is until this unit is committed."""
    if not await tx.run("update directory_account set changes = changes + 1 where name = %s", name):
        raise NotFound(f"no account {name}")


class PutAppPassword(Struct, frozen=True):
    row: AppPasswordRow
    limit: int

    async def apply(self, tx: Tx) -> None:
        row = self.row
        await require_account(tx, row.account)
        names = {
            name.decode() for (name,) in await tx.all("select name from app_password where account = %s", row.account)
        }
        if row.name in names:
            raise Exists(f"{row.account} has an app password {row.name!r}")
        if len(names) >= self.limit:
            raise LimitReached(f"{row.account} has {self.limit} app passwords: remove one")
        values = (row.account, row.name, row.digest, json.dumps(row.services), row.created, row.used, row.client)
        await tx.insert(f"insert into app_password ({_APP})", [values])


class PutPasskey(Struct, frozen=True):
    row: PasskeyRow
    limit: int

    async def apply(self, tx: Tx) -> None:
        row = self.row
        await require_account(tx, row.account)
        if await tx.one("select 1 from passkey where id = %s", row.id):
            raise Exists("that passkey is known already")
        found = await tx.all("select 1 from passkey where account = %s limit %s", row.account, self.limit)
        if len(found) >= self.limit:
            raise LimitReached(f"{row.account} has {self.limit} passkeys")
        values = (row.id, row.account, row.key, row.counter, row.name, row.created, row.used)
        await tx.insert(f"insert into passkey ({_KEY})", [values])


class PutSecondFactor(Struct, frozen=True):
    row: SecondFactorRow

    async def apply(self, tx: Tx) -> None:
        row = self.row
        await require_account(tx, row.account)
        if await tx.one("select 1 from second_factor where account = %s and confirmed = 1", row.account):
            raise Exists(f"{row.account} has a second factor: remove it first")
        values = (row.account, row.secret, row.confirmed, row.counter, json.dumps(row.recovery))
        await tx.insert("replace into second_factor (account, secret, confirmed, counter, recovery)", [values])


class DeleteFactors(Struct, frozen=True):
    account: str

    async def apply(self, tx: Tx) -> None:
        codes = await tx.run("delete from second_factor where account = %s", self.account)
        if not await tx.run("delete from passkey where account = %s", self.account) and not codes:
            raise NotFound(f"{self.account} has no second factor and no passkey")


class Spend(Struct, frozen=True):
    account: str
    counter: int
    recovery: str

    async def apply(self, tx: Tx) -> bool:
        found = await tx.one("select counter, recovery from second_factor where account = %s for update", self.account)
        if found is None:
            return False
        counter, left = found[0], json.loads(found[1])
        if self.recovery:
            if self.recovery not in left:
                return False
            left.remove(self.recovery)
        elif self.counter <= counter:
            return False
        await tx.run(
            "update second_factor set counter = %s, recovery = %s where account = %s",
            max(counter, self.counter), json.dumps(left), self.account,
        )  # fmt: skip
        return True


class Change(Struct, frozen=True):
    """One of our own statements; NotFound where it must touch a row and does not."""

    text: str
    values: tuple[object, ...]
    missing: str = ""

    async def apply(self, tx: Tx) -> None:
        if not await tx.run(self.text, *self.values) and self.missing:
            raise NotFound(self.missing)


class MysqlCredentials:
    _engine: Engine

    async def app_password(self, account: str, digest: str) -> AppPasswordRow | None:
        row = await self._engine.one(
            f"select {_APP} from app_password where account = %s and digest = %s", account, digest
        )
        return None if row is None else _app_password(row)

    async def app_passwords(self, account: str) -> list[AppPasswordRow]:
        rows = await self._engine.all(f"select {_APP} from app_password where account = %s order by name", account)
        return [_app_password(row) for row in rows]

    async def put_app_password(self, row: AppPasswordRow, limit: int) -> None:
        await self._engine.do(PutAppPassword(row, limit))

    async def use_app_password(self, account: str, name: str, used: float, client: str) -> None:
        text = "update app_password set used = %s, client = %s where account = %s and name = %s"
        await self._engine.do(Change(text, (used, client, account, name)), again=True)

    async def delete_app_password(self, account: str, name: str) -> None:
        text = "delete from app_password where account = %s and name = %s"
        await self._engine.do(Change(text, (account, name), f"{account} has no app password {name!r}"))

    async def second_factor(self, account: str) -> SecondFactorRow | None:
        text = "select secret, confirmed, counter, recovery from second_factor where account = %s"
        row = await self._engine.one(text, account)
        if row is None:
            return None
        secret, confirmed, counter, recovery = row
        return SecondFactorRow(account, secret, bool(confirmed), counter, tuple(json.loads(recovery)))

    async def put_second_factor(self, row: SecondFactorRow) -> None:
        await self._engine.do(PutSecondFactor(row), again=True)

    async def confirm_second_factor(self, account: str, secret: str, counter: int) -> None:
        text = (
            "update second_factor set confirmed = 1, counter = %s where account = %s and secret = %s and confirmed = 0"
        )
        missing = f"no second factor of {account} waits for its first code"
        await self._engine.do(Change(text, (counter, account, secret), missing))

    async def spend(self, account: str, counter: int, recovery: str) -> bool:
        return await self._engine.do(Spend(account, counter, recovery))

    async def delete_second_factor(self, account: str) -> None:
        text = "delete from second_factor where account = %s"
        await self._engine.do(Change(text, (account,), f"{account} has no second factor"))

    async def delete_factors(self, account: str) -> None:
        await self._engine.do(DeleteFactors(account))

    async def passkey(self, id: str) -> PasskeyRow | None:
        row = await self._engine.one(f"select {_KEY} from passkey where id = %s", id)
        return None if row is None else _passkey(row)

    async def passkeys(self, account: str) -> list[PasskeyRow]:
        rows = await self._engine.all(f"select {_KEY} from passkey where account = %s order by created, id", account)
        return [_passkey(row) for row in rows]

    async def put_passkey(self, row: PasskeyRow, limit: int) -> None:
        await self._engine.do(PutPasskey(row, limit))

    async def use_passkey(self, id: str, counter: int, used: float) -> None:
        text = "update passkey set counter = greatest(counter, %s), used = %s where id = %s"
        await self._engine.do(Change(text, (counter, used, id)), again=True)

    async def delete_passkey(self, account: str, id: str) -> None:
        text = "delete from passkey where account = %s and id = %s"
        await self._engine.do(Change(text, (account, id), f"{account} has no such passkey"))


def _app_password(row: tuple[Any, ...]) -> AppPasswordRow:
    account, name, digest, services, created, used, client = row
    return AppPasswordRow(
        account.decode(), name.decode(), digest.decode(), tuple(json.loads(services)), created, used, client
    )


def _passkey(row: tuple[Any, ...]) -> PasskeyRow:
    id, account, *rest = row
    return PasskeyRow(id.decode(), account.decode(), *rest)
