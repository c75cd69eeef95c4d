"""App passwords and second factors, as units and rows. Part of api.DirectoryStore."""

import json
import sqlite3
from typing import Any

from msgspec import Struct

from mailhub.model.errors import Exists, LimitReached, NotFound

from ..api import AppPasswordRow, PasskeyRow, SecondFactorRow
from ..lane import Lane
from .writer import Told, Writer

_APP = "account, name, digest, services, created, used, client"


class PutAppPassword(Struct, frozen=True):
    row: AppPasswordRow
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = self.row
        require_account(db, row.account)
        names = {name for (name,) in db.execute("select name from app_password where account=?", (row.account,))}
        if row.name in names:
            raise Exists(f"{row.account} has an app password {row.name!r}")
        if len(names) >= self.limit:
            raise LimitReached(f"{row.account} has {self.limit} app passwords: remove one")
        db.execute(
            f"insert into app_password({_APP}) values (?,?,?,?,?,?,?)",
            (row.account, row.name, row.digest, json.dumps(row.services), row.created, row.used, row.client),
        )


class PutPasskey(Struct, frozen=True):
    row: PasskeyRow
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = self.row
        require_account(db, row.account)
        if db.execute("select 1 from passkey where id=?", (row.id,)).fetchone():
            raise Exists("that passkey is known already")
        if db.execute("select count(*) from passkey where account=?", (row.account,)).fetchone()[0] >= self.limit:
            raise LimitReached(f"{row.account} has {self.limit} passkeys")
        values = (row.id, row.account, row.key, row.counter, row.name, row.created, row.used)
        db.execute("insert into passkey values (?,?,?,?,?,?,?)", values)


class PutSecondFactor(Struct, frozen=True):
    row: SecondFactorRow

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = self.row
        require_account(db, row.account)
        if db.execute("select 1 from second_factor where account=? and confirmed", (row.account,)).fetchone():
            raise Exists(f"{row.account} has a second factor: remove it first")
        values = (row.account, row.secret, row.confirmed, row.counter, json.dumps(row.recovery))
        db.execute("insert or replace into second_factor values (?,?,?,?,?)", values)


class DeleteFactors(Struct, frozen=True):
    account: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        codes = db.execute("delete from second_factor where account=?", (self.account,)).rowcount
        if not db.execute("delete from passkey where account=?", (self.account,)).rowcount and not codes:
            raise NotFound(f"{self.account} has no second factor and no passkey")


class Spend(Struct, frozen=True):
    account: str
    counter: int
    recovery: str

    def apply(self, db: sqlite3.Connection, told: Told) -> bool:
        found = db.execute("select counter, recovery from second_factor where account=?", (self.account,)).fetchone()
        if found is None:
            return False
        counter, left = found[0], json.loads(found[1])
        if self.recovery:
            if self.recovery not in left:
                return False
            left.remove(self.recovery)
        elif self.counter <= counter:
            return False
        values = (max(counter, self.counter), json.dumps(left), self.account)
        db.execute("update second_factor set counter=?, recovery=? where account=?", values)
        return True


class Statement(Struct, frozen=True):
    """One of our own statements; NotFound where it must touch a row and does not."""

    text: str
    values: tuple[object, ...]
    missing: str = ""

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if not db.execute(self.text, self.values).rowcount and self.missing:
            raise NotFound(self.missing)


class SqliteCredentials:
    """`db` is the loop's own reading connection, `reader` the lane for lists."""

    _writer: Writer
    _reader: Lane
    _db: sqlite3.Connection
    _lists: sqlite3.Connection

    async def app_password(self, account: str, digest: str) -> AppPasswordRow | None:
        values = (account, digest)
        row = self._db.execute(f"select {_APP} from app_password where account=? and digest=?", values).fetchone()
        return None if row is None else _app_password(row)

    async def app_passwords(self, account: str) -> list[AppPasswordRow]:
        return await self._reader.call(self._app_passwords, account)

    def _app_passwords(self, account: str) -> list[AppPasswordRow]:
        rows = self._lists.execute(f"select {_APP} from app_password where account=? order by name", (account,))
        return [_app_password(row) for row in rows.fetchall()]

    async def put_app_password(self, row: AppPasswordRow, limit: int) -> None:
        await self._writer.do(PutAppPassword(row, limit))

    async def use_app_password(self, account: str, name: str, used: float, client: str) -> None:
        text = "update app_password set used=?, client=? where account=? and name=?"
        await self._writer.do(Statement(text, (used, client, account, name)))

    async def delete_app_password(self, account: str, name: str) -> None:
        text = "delete from app_password where account=? and name=?"
        await self._writer.do(Statement(text, (account, name), f"{account} has no app password {name!r}"))

    async def second_factor(self, account: str) -> SecondFactorRow | None:
        text = "select account, secret, confirmed, counter, recovery from second_factor where account=?"
        row = self._db.execute(text, (account,)).fetchone()
        if row is None:
            return None
        name, secret, confirmed, counter, recovery = row
        return SecondFactorRow(name, secret, bool(confirmed), counter, tuple(json.loads(recovery)))

    async def put_second_factor(self, row: SecondFactorRow) -> None:
        await self._writer.do(PutSecondFactor(row))

    async def confirm_second_factor(self, account: str, secret: str, counter: int) -> None:
        text = "update second_factor set confirmed=1, counter=? where account=? and secret=? and confirmed=0"
        missing = f"no second factor of {account} waits for its first code"
        await self._writer.do(Statement(text, (counter, account, secret), missing))

    async def spend(self, account: str, counter: int, recovery: str) -> bool:
        return await self._writer.do(Spend(account, counter, recovery))

    async def delete_second_factor(self, account: str) -> None:
        text = "delete from second_factor where account=?"
        await self._writer.do(Statement(text, (account,), f"{account} has no second factor"))

    async def delete_factors(self, account: str) -> None:
        await self._writer.do(DeleteFactors(account))

    async def passkey(self, id: str) -> PasskeyRow | None:
        row = self._db.execute("select * from passkey where id=?", (id,)).fetchone()
        return None if row is None else PasskeyRow(*row)

    async def passkeys(self, account: str) -> list[PasskeyRow]:
        rows = self._db.execute("select * from passkey where account=? order by created, id", (account,)).fetchall()
        return [PasskeyRow(*row) for row in rows]

    async def put_passkey(self, row: PasskeyRow, limit: int) -> None:
        await self._writer.do(PutPasskey(row, limit))

    async def use_passkey(self, id: str, counter: int, used: float) -> None:
        await self._writer.do(
            Statement("update passkey set counter=max(counter, ?), used=? where id=?", (counter, used, id))
        )

    async def delete_passkey(self, account: str, id: str) -> None:
        text = "delete from passkey where account=? and id=?"
        await self._writer.do(Statement(text, (account, id), f"{account} has no such passkey"))


def require_account(db: sqlite3.Connection, name: str) -> None:
    """What opens an account never outlives it: NotFound."""
    if db.execute("select 1 from account where name=?", (name,)).fetchone() is None:
        raise NotFound(f"no account {name}")


def _app_password(row: tuple[Any, ...]) -> AppPasswordRow:
    account, name, digest, services, created, used, client = row
    return AppPasswordRow(account, name, digest, tuple(json.loads(services)), created, used, client)
