"""api.SuppressionStore on SQLite, and what settling units teach it."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import Struct

from ..api import HardBounce, Memory, SuppressionRow
from ..lane import Lane
from ..without import Without
from .credentials import Statement
from .writer import Told, Writer

_ROW = "select address, source, until, history, note from suppression"
_PUT = "insert or replace into suppression values (?,?,?,?,?,?)"


def remember(db: sqlite3.Connection, memory: Memory) -> None:
    """Count refusals, forget those of addresses that are well, and keep the table within its limit."""
    if memory.well:
        named = json.dumps(memory.well)
        db.execute(
            "delete from suppression where address in (select value from json_each(?)) and source = 'bounces'", (named,)
        )
    for bounce in memory.refused:
        _count(db, memory, bounce)
    if memory.refused:
        _trim(db, memory, memory.refused[0].at)


def _count(db: sqlite3.Connection, memory: Memory, bounce: HardBounce) -> None:
    found = db.execute(f"{_ROW} where address = ?", (bounce.address,)).fetchone()
    row = SuppressionRow(bounce.address, "bounces", 0.0) if found is None else _row(found)
    if row.source != "bounces":
        return
    recent = [one for one in row.history if one.at > bounce.at - memory.within]
    history = (*recent, bounce)[-memory.after :]
    until = bounce.at + memory.seconds if len(history) >= memory.after else row.until
    db.execute(_PUT, _values(SuppressionRow(bounce.address, "bounces", until, history)))


def _trim(db: sqlite3.Connection, memory: Memory, now: float) -> None:
    """What is over first, then those that were silent longest."""
    db.execute(
        "delete from suppression where source = 'bounces' and last < ? and until < ?", (now - memory.within, now)
    )
    (count,) = db.execute("select count(*) from suppression").fetchone()
    if count > memory.limit:
        db.execute(
            "delete from suppression where address in"
            " (select address from suppression where source = 'bounces' order by last limit ?)",
            (count - memory.limit,),
        )


def _values(row: SuppressionRow) -> tuple[object, ...]:
    history = json.dumps([(one.at, one.remote, one.reply) for one in row.history])
    last = max((one.at for one in row.history), default=0.0)
    return (row.address, row.source, row.until, last, history, row.note)


def _row(row: Sequence[Any]) -> SuppressionRow:
    address, source, until, history, note = row
    bounces = tuple(HardBounce(address, at, remote, reply) for at, remote, reply in json.loads(history))
    return SuppressionRow(address, source, until, bounces, note)


class PutSuppression(Struct, frozen=True):
    row: SuppressionRow

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute(_PUT, _values(self.row))


class SqliteSuppressions:
    """`db` is the loop's own reading connection, `lists` the lane's. A message that is relayed asks three times for its recipient: those
    who are not on the list are remembered (5 % of the loop's time with mail of 4 KB). `taught` names whom a settling unit may put on it."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists
        self._without = Without()

    def taught(self, memory: Memory | None) -> AbstractContextManager[None]:
        """Within it a unit with that memory is committed."""
        return self._without.changing(*(one.address for one in memory.refused)) if memory is not None else nullcontext()

    async def find(self, address: str) -> SuppressionRow | None:
        if address in self._without:
            return None
        found = self._db.execute(f"{_ROW} where address = ?", (address,)).fetchone()
        if found is None:
            self._without.add(address)
            return None
        return _row(found)

    async def page(self, after: str = "", limit: int = 100) -> list[SuppressionRow]:
        return [_row(row) for row in await self._reader.call(self._page, after, limit)]

    def _page(self, after: str, limit: int) -> list[tuple[Any, ...]]:
        return self._lists.execute(f"{_ROW} where address > ? order by address limit ?", (after, limit)).fetchall()

    async def put(self, row: SuppressionRow) -> None:
        with self._without.changing(row.address):
            await self._writer.do(PutSuppression(row))

    async def remove(self, address: str) -> None:
        text = "delete from suppression where address = ?"
        await self._writer.do(Statement(text, (address,), f"{address} is not on the suppression list"))
