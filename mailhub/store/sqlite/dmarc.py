"""api.DmarcStore on SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..api import DmarcCount
from ..lane import Lane
from .credentials import Statement
from .writer import Told, Writer


class Add(Struct, frozen=True):
    counts: Mapping[DmarcCount, int]
    limit: int
    domain_limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        number = "select count(*) from dmarc_count where day=?"
        rows = {day: db.execute(number, (day,)).fetchone()[0] for day in {count.day for count in self.counts}}
        number += " and domain=?"
        of_one = {of: db.execute(number, of).fetchone()[0] for of in {(one.day, one.domain) for one in self.counts}}
        for row, times in self.counts.items():
            key = (row.day, row.domain, row.found)
            known = "update dmarc_count set messages=messages+? where day=? and domain=? and found=?"
            if db.execute(known, (times, *key)).rowcount:
                continue
            if rows[row.day] < self.limit and of_one[key[:2]] < self.domain_limit:
                db.execute("insert into dmarc_count values (?,?,?,?)", (*key, times))
                rows[row.day] += 1
                of_one[key[:2]] += 1


class SqliteDmarc:
    def __init__(self, writer: Writer, reader: Lane, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._lists = writer, reader, lists

    async def add(self, counts: Mapping[DmarcCount, int], limit: int, domain_limit: int) -> None:
        await self._writer.do(Add(counts, limit, domain_limit))

    async def reportable(self, before: int, after: tuple[int, str], limit: int) -> Sequence[tuple[int, str]]:
        text = "select distinct day, domain from dmarc_count where day<? and (day, domain)>(?,?) order by day, domain limit ?"
        return [(day, domain) for day, domain in await self._reader.call(self._all, text, (before, *after, limit))]

    async def counts(self, day: int, domain: str) -> list[tuple[str, int]]:
        text = "select found, messages from dmarc_count where day=? and domain=? order by found"
        return [(found, messages) for found, messages in await self._reader.call(self._all, text, (day, domain))]

    async def remove(self, day: int, domain: str) -> None:
        await self._writer.do(Statement("delete from dmarc_count where day=? and domain=?", (day, domain)))

    def _all(self, text: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._lists.execute(text, values).fetchall()
