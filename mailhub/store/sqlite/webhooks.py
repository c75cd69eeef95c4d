"""api.WebhookStore on SQLite, and what settling units bring to it."""

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from ..api import Notice, WebhookCount, WebhookRow
from ..lane import Lane
from .credentials import Statement
from .writer import Told, Writer

log = logging.getLogger("mailhub.store")

_TRIM = 101  # ids between two looks at how many wait; a prime, so that each hook has its turn
_ROW = "select id, hook, event, at, attempts, said, body from webhook_event"


def notify(db: sqlite3.Connection, notices: Iterable[Notice]) -> None:
    """Once for each hook."""
    for notice in notices:
        for hook, limit in notice.hooks:
            put = db.execute(
                "insert into webhook_event(hook, event, at, due, body) values (?,?,?,?,?) on conflict(hook, event) do nothing",
                (hook, notice.event, notice.at, notice.at, notice.body),
            )
            if put.rowcount and put.lastrowid is not None and put.lastrowid % _TRIM == 0:
                _trim(db, hook, limit)


def _trim(db: sqlite3.Connection, hook: str, limit: int) -> None:
    """The oldest of too many go: looked at now and then, for the look takes time that grows with their number."""
    oldest = "select id from webhook_event where hook=? order by id desc limit 1 offset ?"
    lost = db.execute(f"delete from webhook_event where hook=? and id <= ({oldest})", (hook, hook, limit)).rowcount
    if lost > 0:
        log.error("webhook %s: %d events that nobody took are given up, for more than %d wait", hook, lost, limit)


class Tell(Struct, frozen=True):
    notice: Notice

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        notify(db, (self.notice,))


class Forget(Struct, frozen=True):
    known: Sequence[str]

    def apply(self, db: sqlite3.Connection, told: Told) -> int:
        known = json.dumps(list(self.known))
        return db.execute(
            "delete from webhook_event where hook not in (select value from json_each(?))", (known,)
        ).rowcount


class SqliteWebhooks:
    def __init__(self, writer: Writer, reader: Lane, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._lists = writer, reader, lists

    async def tell(self, notice: Notice) -> None:
        await self._writer.do(Tell(notice))

    async def due(self, hook: str, now: float, limit: int) -> list[WebhookRow]:
        text = f"{_ROW} where hook=? and due<=? order by due, id limit ?"
        return [WebhookRow(*row) for row in await self._reader.call(self._all, text, (hook, now, limit))]

    async def next_due(self, hook: str) -> float | None:
        ((due,),) = await self._reader.call(self._all, "select min(due) from webhook_event where hook=?", (hook,))
        return None if due is None else float(due)

    async def taken(self, ids: Sequence[int]) -> None:
        which = "delete from webhook_event where id in (select value from json_each(?))"
        await self._writer.do(Statement(which, (json.dumps(list(ids)),)))

    async def put_off(self, row: WebhookRow, due: float, said: str) -> None:
        text = "update webhook_event set due=?, attempts=?, said=? where id=?"
        await self._writer.do(Statement(text, (due, row.attempts + 1, said, row.id)))

    async def counts(self) -> list[WebhookCount]:
        text = (
            "select hook, count(*), min(at), coalesce((select said from webhook_event one where one.hook = every.hook"
            " and said != '' order by id desc limit 1), '') from webhook_event every group by hook order by hook"
        )
        return [WebhookCount(*row) for row in await self._reader.call(self._all, text, ())]

    async def forget(self, known: Sequence[str]) -> int:
        return await self._writer.do(Forget(known))

    def _all(self, text: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._lists.execute(text, values).fetchall()
