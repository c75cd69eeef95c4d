"""api.SieveStore on SQLite, and what settling units remember."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mailhub.model.errors import Exists, LimitReached, NotFound, Permanent

from ..api import ScriptLimits, ScriptRow, SieveMark
from ..lane import Lane
from ..without import Without
from .writer import Told, Writer

_MARKS = 1_000  # kept for an account


def fresh(db: sqlite3.Connection, mark: SieveMark, now: float) -> bool:
    """Remember it; False where it is remembered already."""
    found = db.execute("select until from sieve_mark where account=? and key=?", (mark.account, mark.key)).fetchone()
    if found is not None and found[0] > now:
        return False
    remember_marks(db, (mark,), now)
    return True


def remember_marks(db: sqlite3.Connection, marks: Iterable[SieveMark], now: float) -> None:
    """Those of an account that are over go, and above a number those that end first."""
    accounts = set()
    for mark in marks:
        accounts.add(mark.account)
        db.execute("insert or replace into sieve_mark values (?,?,?)", (mark.account, mark.key, mark.until))
    for account in accounts:
        db.execute("delete from sieve_mark where account=? and until <= ?", (account, now))
        (count,) = db.execute("select count(*) from sieve_mark where account=?", (account,)).fetchone()
        if count > _MARKS:
            db.execute(
                "delete from sieve_mark where account=?1 and key in"
                " (select key from sieve_mark where account=?1 order by until limit ?2)",
                (account, count - _MARKS),
            )


def _there(db: sqlite3.Connection, account: str, name: str) -> bool:
    """Whether it is the active one; NotFound."""
    found = db.execute("select active from sieve_script where account=? and name=?", (account, name)).fetchone()
    if found is None:
        raise NotFound(f"no script {name!r}")
    return bool(found[0])


class PutScript(Struct, frozen=True):
    account: str
    name: str
    text: bytes
    limits: ScriptLimits

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        count, size = db.execute(
            "select count(*), coalesce(sum(length(text)), 0) from sieve_script where account=? and name != ?",
            (self.account, self.name),
        ).fetchone()
        if count >= self.limits.count:
            raise LimitReached("sieve.script_count")
        if size + len(self.text) > self.limits.size:
            raise LimitReached("sieve.quota")
        db.execute(
            "insert into sieve_script values (?,?,?,0) on conflict(account, name) do update set text=excluded.text",
            (self.account, self.name, self.text),
        )


class ActivateScript(Struct, frozen=True):
    account: str
    name: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if self.name:
            _there(db, self.account, self.name)
        db.execute("update sieve_script set active = (name = ?) where account=?", (self.name, self.account))


class DeleteScript(Struct, frozen=True):
    account: str
    name: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if _there(db, self.account, self.name):
            raise Permanent(f"the script {self.name!r} is active")
        db.execute("delete from sieve_script where account=? and name=?", (self.account, self.name))


class RenameScript(Struct, frozen=True):
    account: str
    name: str
    new_name: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        _there(db, self.account, self.name)
        taken = (self.account, self.new_name)
        if db.execute("select 1 from sieve_script where account=? and name=?", taken).fetchone() is not None:
            raise Exists(f"there is a script {self.new_name!r}")
        db.execute(
            "update sieve_script set name=? where account=? and name=?", (self.new_name, self.account, self.name)
        )


class SqliteSieve:
    """`db` is the loop's own reading connection, `lists` the lane's. Each message asks for a script, and most accounts have none: those
    are remembered (2.6 % of the loop's time with mail of 4 KB)."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists
        self._without = Without()

    def _rows(self, text: str, values: Sequence[object]) -> list[tuple[str, bytes, int]]:
        return self._lists.execute(text, values).fetchall()

    async def scripts(self, account: str) -> list[ScriptRow]:
        text = "select name, length(text), active from sieve_script where account=? order by name"
        rows = await self._reader.call(self._rows, text, (account,))
        return [ScriptRow(name, int(size), bool(active)) for name, size, active in rows]

    async def texts(self, account: str) -> list[tuple[str, bytes]]:
        text = "select name, text, active from sieve_script where account=?"
        return [(name, text) for name, text, _ in await self._reader.call(self._rows, text, (account,))]

    async def script(self, account: str, name: str) -> bytes:
        text = "select name, text, active from sieve_script where account=? and name=?"
        rows = await self._reader.call(self._rows, text, (account, name))
        if not rows:
            raise NotFound(f"no script {name!r}")
        return rows[0][1]

    async def active(self, account: str) -> bytes | None:
        if account in self._without:
            return None
        found = self._db.execute("select text from sieve_script where account=? and active=1", (account,)).fetchone()
        if found is not None:
            return bytes(found[0])
        self._without.add(account)
        return None

    async def put(self, account: str, name: str, text: bytes, limits: ScriptLimits) -> None:
        await self._writer.do(PutScript(account, name, text, limits))

    async def activate(self, account: str, name: str) -> None:
        with self._without.changing(account):
            await self._writer.do(ActivateScript(account, name))

    async def delete(self, account: str, name: str) -> None:
        await self._writer.do(DeleteScript(account, name))

    async def rename(self, account: str, name: str, new_name: str) -> None:
        await self._writer.do(RenameScript(account, name, new_name))

    async def seen(self, account: str, now: float) -> frozenset[str]:
        text = "select json_group_array(key), x'', 0 from sieve_mark where account=? and until > ?"
        rows = await self._reader.call(self._rows, text, (account, now))
        return frozenset(json.loads(rows[0][0]))
