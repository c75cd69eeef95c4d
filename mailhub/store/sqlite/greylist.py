"""api.GreylistStore on SQLite."""

import sqlite3

from msgspec import Struct

from ..api import Attempts
from .writer import Told, Writer

_AT_ONCE = 100  # rows that one unit forgets: more than it adds, so that the table shrinks to its limit


class PutAttempts(Struct, frozen=True):
    digest: bytes
    attempts: Attempts
    now: float
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        one = self.attempts
        row = (self.digest, one.first, one.passes, one.until)
        db.execute("insert into greylist values (?,?,?,?) on conflict(digest) do update set first=excluded.first,"
                   " passes=excluded.passes, until=excluded.until", row)  # fmt: skip
        self._forget(db, "where until < ?", self.now)
        (count,) = db.execute("select count from total where name = 'greylist'").fetchone()
        if count > self.limit:
            self._forget(db, "where digest != ?", self.digest, min(_AT_ONCE, count - self.limit))

    def _forget(self, db: sqlite3.Connection, which: str, value: object, most: int = _AT_ONCE) -> None:
        text = f"delete from greylist where digest in (select digest from greylist {which} order by until limit ?)"
        db.execute(text, (value, most))


class SqliteGreylist:
    """`db` is the loop's own reading connection."""

    def __init__(self, writer: Writer, db: sqlite3.Connection) -> None:
        self._writer, self._db = writer, db

    async def find(self, digest: bytes) -> Attempts | None:
        text = "select first, passes, until from greylist where digest = ?"
        row = self._db.execute(text, (digest,)).fetchone()
        return None if row is None else Attempts(*row)

    async def put(self, digest: bytes, attempts: Attempts, now: float, limit: int) -> None:
        await self._writer.do(PutAttempts(digest, attempts, now, limit))
