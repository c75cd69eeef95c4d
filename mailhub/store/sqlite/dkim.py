"""api.DkimStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from ..api import DkimKey
from ..lane import Lane
from ..without import Without
from .credentials import Statement
from .writer import Told, Writer

_ALL = ""  # stands for all domains among those that have none


class PutKeys(Struct, frozen=True):
    keys: Sequence[DkimKey]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        rows = [(one.domain, one.selector, one.kind, one.pem, one.state, one.since) for one in self.keys]
        db.executemany("insert or replace into dkim_key values (?,?,?,?,?,?)", rows)


class ChangeKeys(Struct, frozen=True):
    keys: Sequence[DkimKey]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        rows = [(one.state, one.since, one.domain, one.selector) for one in self.keys]
        db.executemany("update dkim_key set state = ?, since = ? where domain = ? and selector = ?", rows)


class SqliteDkim:
    """`db` is the loop's own reading connection, `lists` the lane's. Each message asks for keys, mostly of domains of others: those are
    remembered (1.4 % of the loop's time with mail of 4 KB)."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists
        self._without = Without()

    def none(self) -> bool:
        if _ALL in self._without:
            return True
        if self._db.execute("select 1 from dkim_key limit 1").fetchone() is not None:
            return False
        self._without.add(_ALL)
        return True

    async def of(self, domain: str) -> list[DkimKey]:
        if domain in self._without:
            return []
        text = (
            "select domain, selector, kind, pem, state, since from dkim_key where domain = ? order by since, selector"
        )
        keys = [DkimKey(*row) for row in self._db.execute(text, (domain,)).fetchall()]
        if not keys:
            self._without.add(domain)
        return keys

    async def domains(self) -> list[str]:
        return [name for (name,) in await self._reader.call(self._rows)]

    def _rows(self) -> list[tuple[str]]:
        return self._lists.execute("select distinct domain from dkim_key order by domain").fetchall()

    async def put(self, keys: Sequence[DkimKey]) -> None:
        with self._without.changing(_ALL, *{key.domain for key in keys}):
            await self._writer.do(PutKeys(tuple(keys)))

    async def change(self, keys: Sequence[DkimKey]) -> None:
        await self._writer.do(ChangeKeys(tuple(keys)))

    async def remove(self, domain: str, selector: str) -> None:
        text = "delete from dkim_key where domain = ? and selector = ?"
        await self._writer.do(Statement(text, (domain, selector), f"no key {selector} of {domain}"))
