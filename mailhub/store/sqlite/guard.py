"""api.GuardStore on SQLite: bans, counts of the day, recipients by digest."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ..api import BanRow
from ..lane import Lane
from .writer import Told, Writer, insert_rows

_MARKS = 200  # recipients in one statement


class PutBans(Struct, frozen=True):
    rows: Sequence[BanRow]
    dropped: Sequence[str]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute("delete from ban where network in (select value from json_each(?))", (json.dumps(self.dropped),))
        rows = [(row.network, row.cause, row.since, row.until, row.strikes, row.note) for row in self.rows]
        insert_rows(db, "insert or replace into ban", rows)


class AddSent(Struct, frozen=True):
    account: str
    day: int
    messages: int
    new: int
    recipients: Sequence[bytes]
    known_limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> tuple[int, int]:
        account, day = self.account, self.day
        db.execute("delete from sent where account=? and day<?", (account, day))
        db.execute(
            "insert into sent values (?,?,?,?) on conflict(account, day) do update set"
            " messages=messages+excluded.messages, new=new+excluded.new",
            (account, day, self.messages, self.new),
        )
        added = 0
        for start in range(0, len(self.recipients), _MARKS):
            part = self.recipients[start : start + _MARKS]
            marks = ",".join("?" * len(part))
            db.execute(f"update wrote_to set day=? where account=? and recipient in ({marks})", (day, account, *part))
            rows = ",".join(["(?,?,?)"] * len(part))
            values = [value for recipient in part for value in (account, recipient, day)]
            added += db.execute(f"insert or ignore into wrote_to values {rows}", values).rowcount
        if added:
            self._trim(db)
        messages, new = db.execute(
            "select messages, new from sent where account=? and day=?", (account, day)
        ).fetchone()
        return messages, new

    def _trim(self, db: sqlite3.Connection) -> None:
        (known,) = db.execute("select count(*) from wrote_to where account=?", (self.account,)).fetchone()
        if known > self.known_limit:
            db.execute(
                "delete from wrote_to where account=?1 and recipient in"
                " (select recipient from wrote_to where account=?1 order by day limit ?2)",
                (self.account, known - self.known_limit),
            )


class SqliteGuard:
    """`db` is the loop's own reading connection, `lists` the lane's."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db, self._lists = writer, reader, db, lists

    def _rows(self, since: float) -> list[tuple[Any, ...]]:
        text = "select network, cause, since, until, strikes, note from ban where since >= ?"
        return self._lists.execute(text, (since,)).fetchall()

    async def bans(self, since: float = 0.0) -> list[BanRow]:
        rows = await self._reader.call(self._rows, since)
        return [BanRow(*row) for row in rows]

    async def put_bans(self, rows: Sequence[BanRow], dropped: Sequence[str]) -> None:
        await self._writer.do(PutBans(rows, dropped))

    async def sent(self, account: str, day: int) -> tuple[int, int]:
        row = self._db.execute("select messages, new from sent where account=? and day=?", (account, day)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    async def wrote_to(self, account: str, recipient: bytes) -> bool:
        text = "select 1 from wrote_to where account=? and recipient=?"
        return self._db.execute(text, (account, recipient)).fetchone() is not None

    async def add_sent(
        self, account: str, day: int, messages: int, new: int, recipients: Sequence[bytes], known_limit: int
    ) -> tuple[int, int]:
        return await self._writer.do(AddSent(account, day, messages, new, recipients, known_limit))
