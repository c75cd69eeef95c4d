"""api.BrowserStore on SQLite."""

import sqlite3

from msgspec import Struct
from msgspec.structs import astuple

from ..api import BrowserLimits, BrowserRow
from .credentials import Statement
from .writer import Told, Writer

_COLUMNS = "digest, id, account, stamp, created, used, confirmed, client, agent"
_OLDEST = "delete from browser where n in (select n from browser where account = ? order by used desc, n desc limit -1 offset ?)"
_OF_MOST = (
    "delete from browser where n in (select n from (select n, used, row_number() over (partition by account order by used desc, n desc)"
    " as place from browser where account not in ({})) order by place desc, used, n limit ?)"
)


class PutBrowser(Struct, frozen=True):
    row: BrowserRow
    limits: BrowserLimits

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        limits = self.limits
        db.execute("delete from browser where used <= ? or created <= ?", (limits.unused, limits.begun))
        db.execute(_OLDEST, (self.row.account, limits.per_account - 1))
        excess = db.execute("select count(*) from browser").fetchone()[0] - (limits.total - 1)
        if excess > 0:
            db.execute(_OF_MOST.format(",".join("?" * len(limits.kept))), (*limits.kept, excess))
        db.execute(f"insert into browser({_COLUMNS}) values (?,?,?,?,?,?,?,?,?)", astuple(self.row))


class EndOthers(Struct, frozen=True):
    account: str
    digest: str

    def apply(self, db: sqlite3.Connection, told: Told) -> int:
        text = "delete from browser where account = ? and digest != ?"
        return db.execute(text, (self.account, self.digest)).rowcount


class SqliteBrowsers:
    """`db` is the loop's own reading connection."""

    def __init__(self, writer: Writer, db: sqlite3.Connection) -> None:
        self._writer, self._db = writer, db

    async def found(self, digest: str) -> BrowserRow | None:
        row = self._db.execute(f"select {_COLUMNS} from browser where digest = ?", (digest,)).fetchone()
        return None if row is None else BrowserRow(*row)

    async def of(self, account: str) -> list[BrowserRow]:
        text = f"select {_COLUMNS} from browser where account = ? order by used desc, n desc"
        return [BrowserRow(*row) for row in self._db.execute(text, (account,)).fetchall()]

    async def put(self, row: BrowserRow, limits: BrowserLimits) -> None:
        await self._writer.do(PutBrowser(row, limits))

    async def use(self, digest: str, used: float, client: str, agent: str) -> None:
        text = "update browser set used = max(used, ?), client = ?, agent = ? where digest = ?"
        await self._writer.do(Statement(text, (used, client, agent, digest)))

    async def confirm(self, digest: str, confirmed: float) -> None:
        await self._writer.do(Statement("update browser set confirmed = ? where digest = ?", (confirmed, digest)))

    async def end(self, digest: str) -> None:
        await self._writer.do(Statement("delete from browser where digest = ?", (digest,)))

    async def end_one(self, account: str, id: str) -> None:
        text = "delete from browser where account = ? and id = ?"
        await self._writer.do(Statement(text, (account, id), "no such session"))

    async def end_others(self, account: str, digest: str) -> int:
        return int(await self._writer.do(EndOthers(account, digest)))
