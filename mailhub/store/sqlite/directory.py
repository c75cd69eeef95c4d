"""api.DirectoryStore on SQLite: one row by key is read on the loop itself (7 us; a thread would cost 69)."""

import json
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from mailhub.model.errors import Exists, NotFound

from ..api import AccountRow, AliasRow
from ..lane import Lane
from .credentials import SqliteCredentials, Statement, require_account
from .writer import Told, Writer


class PutAccount(Struct, frozen=True):
    row: AccountRow

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        values = (self.row.name, self.row.password, self.row.enabled)
        if not db.execute("insert or ignore into account values (?,?,?)", values).rowcount:
            raise Exists(f"account {self.row.name} exists")


class SetPassword(Struct, frozen=True):
    name: str
    password: str
    known: str | None

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = db.execute("select password from account where name=?", (self.name,)).fetchone()
        if row is None:
            raise NotFound(f"no account {self.name}")
        if self.known is None or row[0] == self.known:
            db.execute("update account set password=? where name=?", (self.password, self.name))


class SetEnabled(Struct, frozen=True):
    """Browsers that were signed in are not when the account is enabled again."""

    name: str
    enabled: bool

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if not db.execute("update account set enabled=? where name=?", (self.enabled, self.name)).rowcount:
            raise NotFound(f"no account {self.name}")
        if not self.enabled:
            db.execute("delete from browser where account=?", (self.name,))


class DeleteAccount(Struct, frozen=True):
    """With all that opens it."""

    name: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if not db.execute("delete from account where name=?", (self.name,)).rowcount:
            raise NotFound(f"no account {self.name}")
        db.execute("delete from app_password where account=?", (self.name,))
        db.execute("delete from second_factor where account=?", (self.name,))
        db.execute("delete from passkey where account=?", (self.name,))
        db.execute("delete from browser where account=?", (self.name,))
        db.execute("delete from domain_admin where account=?", (self.name,))
        db.execute("delete from sieve_script where account=?", (self.name,))
        db.execute("delete from sieve_mark where account=?", (self.name,))
        db.execute("delete from sent where account=?", (self.name,))
        db.execute("delete from wrote_to where account=?", (self.name,))


class DeleteDomain(Struct, frozen=True):
    """With those who may change it: whoever has the name next is somebody else."""

    name: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if not db.execute("delete from domain where name=?", (self.name,)).rowcount:
            raise NotFound(f"no domain {self.name}")
        db.execute("delete from domain_admin where domain=?", (self.name,))


class PutAdmin(Struct, frozen=True):
    domain: str
    account: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        require_account(db, self.account)
        db.execute("insert or ignore into domain_admin values (?,?)", (self.domain, self.account))


class KeepMeta(Struct, frozen=True):
    key: str
    value: str

    def apply(self, db: sqlite3.Connection, told: Told) -> str:
        db.execute("insert or ignore into meta values (?,?)", (self.key, self.value))
        return str(db.execute("select value from meta where key=?", (self.key,)).fetchone()[0])


class SqliteDirectory(SqliteCredentials):
    """`db` is the loop's own reading connection, `reader` the lane for lists."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists

    async def account(self, name: str) -> AccountRow | None:
        row = self._db.execute("select name, password, enabled from account where name=?", (name,)).fetchone()
        return None if row is None else AccountRow(row[0], row[1], bool(row[2]))

    async def alias(self, address: str) -> AliasRow | None:
        row = self._db.execute("select address, targets from alias where address=?", (address,)).fetchone()
        return None if row is None else AliasRow(row[0], tuple(json.loads(row[1])))

    async def domain(self, name: str) -> bool:
        return self._db.execute("select 1 from domain where name=?", (name,)).fetchone() is not None

    def _rows(self, text: str, values: Sequence[object]) -> list[tuple[str, ...]]:
        return self._lists.execute(text, values).fetchall()

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountRow]:
        text = "select name, password, enabled from account where name > ? order by name limit ?"
        rows = await self._reader.call(self._rows, text, (after, limit))
        return [AccountRow(name, password, bool(enabled)) for name, password, enabled in rows]

    async def aliases(self, after: str = "", limit: int = 1000) -> list[AliasRow]:
        text = "select address, targets from alias where address > ? order by address limit ?"
        rows = await self._reader.call(self._rows, text, (after, limit))
        return [AliasRow(address, tuple(json.loads(targets))) for address, targets in rows]

    async def aliases_to(self, target: str, limit: int) -> list[str]:
        text = "select address from alias where lower(targets)=? and address not like '@%' order by address limit ?"
        return [row[0] for row in await self._reader.call(self._rows, text, (json.dumps([target]).lower(), limit))]

    async def domains(self) -> list[str]:
        rows = await self._reader.call(self._rows, "select name from domain order by name", ())
        return [row[0] for row in rows]

    async def put_account(self, row: AccountRow) -> None:
        await self._writer.do(PutAccount(row))

    async def set_password(self, name: str, password: str, known: str | None = None) -> None:
        await self._writer.do(SetPassword(name, password, known))

    async def set_enabled(self, name: str, enabled: bool) -> None:
        await self._writer.do(SetEnabled(name, enabled))

    async def delete_account(self, name: str) -> None:
        await self._writer.do(DeleteAccount(name))

    async def put_alias(self, row: AliasRow) -> None:
        values = (row.address, json.dumps(row.targets))
        await self._writer.do(Statement("insert or replace into alias values (?,?)", values))

    async def delete_alias(self, address: str) -> None:
        await self._writer.do(Statement("delete from alias where address=?", (address,), f"no alias {address}"))

    async def put_domain(self, name: str) -> None:
        await self._writer.do(Statement("insert or ignore into domain values (?)", (name,)))

    async def delete_domain(self, name: str) -> None:
        await self._writer.do(DeleteDomain(name))

    async def admins(self, domain: str) -> list[str]:
        text = "select account from domain_admin where domain = ? order by account"
        return [row[0] for row in await self._reader.call(self._rows, text, (domain,))]

    async def administers(self, account: str, domain: str) -> bool:
        text = "select 1 from domain_admin where domain = ? and account = ?"
        return bool(await self._reader.call(self._rows, text, (domain, account)))

    async def administered(self, account: str) -> list[str]:
        text = "select domain from domain_admin where account = ? order by domain"
        return [row[0] for row in await self._reader.call(self._rows, text, (account,))]

    async def put_admin(self, domain: str, account: str) -> None:
        await self._writer.do(PutAdmin(domain, account))

    async def delete_admin(self, domain: str, account: str) -> None:
        text = "delete from domain_admin where domain = ? and account = ?"
        await self._writer.do(Statement(text, (domain, account), f"{account} is no admin of {domain}"))

    async def meta(self, key: str) -> str | None:
        rows = await self._reader.call(self._rows, "select value from meta where key=?", (key,))
        return rows[0][0] if rows else None

    async def set_meta(self, key: str, value: str) -> None:
        await self._writer.do(Statement("insert or replace into meta values (?,?)", (key, value)))

    async def keep_meta(self, key: str, value: str) -> str:
        return await self._writer.do(KeepMeta(key, value))
