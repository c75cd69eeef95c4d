"""api.TokenStore on SQLite."""

import json
import sqlite3
from typing import Any

from msgspec import Struct

from mailhub.model.errors import Exists, LimitReached

from ..api import TokenRow
from ..lane import Lane
from .credentials import Statement
from .writer import Told, Writer

_COLUMNS = "name, digest, scopes, created, expires, used, client, maker"


class PutToken(Struct, frozen=True):
    row: TokenRow
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = self.row
        names = {name for (name,) in db.execute("select name from api_token")}
        if row.name in names:
            raise Exists(f"there is a token {row.name!r}")
        if len(names) >= self.limit:
            raise LimitReached(f"there are {self.limit} tokens: remove one")
        times = row.created, row.expires, row.used
        values = (row.name, row.digest, json.dumps(row.scopes), *times, row.client, row.maker)
        db.execute(f"insert into api_token({_COLUMNS}) values (?,?,?,?,?,?,?,?)", values)


class SqliteTokens:
    """`db` is the loop's own reading connection, `lists` the lane's."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists

    async def found(self, digest: str) -> TokenRow | None:
        row = self._db.execute(f"select {_COLUMNS} from api_token where digest = ?", (digest,)).fetchone()
        return None if row is None else _token(row)

    async def page(self) -> list[TokenRow]:
        return [_token(row) for row in await self._reader.call(self._rows)]

    def _rows(self) -> list[tuple[Any, ...]]:
        return self._lists.execute(f"select {_COLUMNS} from api_token order by name").fetchall()

    async def put(self, row: TokenRow, limit: int) -> None:
        await self._writer.do(PutToken(row, limit))

    async def use(self, name: str, used: float, client: str) -> None:
        await self._writer.do(Statement("update api_token set used=?, client=? where name=?", (used, client, name)))

    async def remove(self, name: str) -> None:
        await self._writer.do(Statement("delete from api_token where name=?", (name,), f"there is no token {name!r}"))


def _token(row: tuple[Any, ...]) -> TokenRow:
    name, digest, scopes, *rest = row
    return TokenRow(name, digest, tuple(json.loads(scopes)), *rest)
