"""api.TlsStore on SQLite: MTA-STS policies, counts of sessions for TLS reports."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..api import StsRow, TlsCount
from ..lane import Lane
from .credentials import Statement
from .writer import Told, Writer

_STS = "domain, id, text, fetched, expires"
_COUNT = "day, domain, kind, policy, result, source, host, address, detail"
_SPARE = 100  # policies taken away at a time where there are too many


class PutSts(Struct, frozen=True):
    row: StsRow
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = self.row
        values = (row.domain, row.id, row.text, row.fetched, row.expires)
        db.execute("insert or replace into sts_policy values (?,?,?,?,?)", values)
        (kept,) = db.execute("select count(*) from sts_policy").fetchone()
        if kept > self.limit:
            oldest = "select domain from sts_policy where domain!=? order by fetched limit ?"
            db.execute(
                f"delete from sts_policy where domain in ({oldest})",
                (row.domain, min(kept - self.limit + _SPARE, kept - 1)),
            )


class AddSessions(Struct, frozen=True):
    counts: Mapping[TlsCount, int]
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        rows = {
            day: db.execute("select count(*) from tls_session where day=?", (day,)).fetchone()[0]
            for day in {count.day for count in self.counts}
        }
        for row, times in self.counts.items():
            key = (row.day, row.domain, row.kind, row.policy, row.result, row.source, row.host, row.address, row.detail)
            known = "day=? and domain=? and kind=? and policy=? and result=? and source=? and host=? and address=? and detail=?"
            if db.execute(f"update tls_session set sessions=sessions+? where {known}", (times, *key)).rowcount:
                continue
            if rows[row.day] < self.limit:
                db.execute("insert into tls_session values (?,?,?,?,?,?,?,?,?,?)", (*key, times))
                rows[row.day] += 1


class SqliteTls:
    """`db` is the loop's own reading connection, `lists` the lane's."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists

    async def sts(self, domain: str) -> StsRow | None:
        row = self._db.execute(f"select {_STS} from sts_policy where domain=?", (domain,)).fetchone()
        return None if row is None else StsRow(*row)

    async def put_sts(self, row: StsRow, limit: int) -> None:
        await self._writer.do(PutSts(row, limit))

    async def aged_sts(self, now: float, after: str, limit: int) -> Sequence[StsRow]:
        text = f"select {_STS} from sts_policy where domain>? and (fetched+expires)/2<=? order by domain limit ?"
        return [StsRow(*row) for row in await self._reader.call(self._read, text, after, now, limit)]

    async def remove_sts(self, domain: str) -> None:
        await self._writer.do(Statement("delete from sts_policy where domain=?", (domain,)))

    async def add_sessions(self, counts: Mapping[TlsCount, int], limit: int) -> None:
        await self._writer.do(AddSessions(counts, limit))

    def _read(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self._lists.execute(text, values).fetchall()

    async def reportable(self, before: int, after: tuple[int, str], limit: int) -> Sequence[tuple[int, str]]:
        text = "select distinct day, domain from tls_session where day<? and (day, domain)>(?,?) order by day, domain limit ?"
        rows = await self._reader.call(self._read, text, before, *after, limit)
        return [(day, domain) for day, domain in rows]

    async def sessions(self, day: int, domain: str) -> dict[TlsCount, int]:
        text = f"select {_COUNT}, sessions from tls_session where day=? and domain=?"
        rows = await self._reader.call(self._read, text, day, domain)
        return {TlsCount(*row[:-1]): row[-1] for row in rows}

    async def remove_sessions(self, day: int, domain: str) -> None:
        await self._writer.do(Statement("delete from tls_session where day=? and domain=?", (day, domain)))
