"""api.WebhookStore on a cluster, and what settling units bring to it.

Events that a node is about to post are its own for a while: they are due again when it has been silent about them for so long.
"""

import logging
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..api import Notice, WebhookCount, WebhookRow
from . import bounds
from .credentials import Change
from .engine import Engine, Tx
from .steps import drained

log = logging.getLogger("mailhub.store")

POSTING = 600.0  # seconds: more than an answer may take
_TRIM = 101  # ids between two looks at how many wait


async def notify(tx: Tx, notices: Iterable[Notice]) -> None:
    """Once for each hook."""
    for notice in notices:
        for hook, limit in notice.hooks:
            number = await tx.number(
                "insert into webhook_event (hook, event, at, due, said, body) values (%s, %s, %s, %s, '', %s)"
                " on duplicate key update id = last_insert_id(id)",
                hook, notice.event, notice.at, notice.at, notice.body,
            )  # fmt: skip
            if number % _TRIM == 0:
                await _trim(tx, hook, limit)


async def _trim(tx: Tx, hook: str, limit: int) -> None:
    """The oldest of too many go: looked at now and then, for the look takes time that grows with their number."""
    text = "select id from webhook_event where hook = %s order by id desc limit 1 offset %s"
    newest = await tx.one(text, hook, limit)
    if newest is None:
        return
    text = "delete from webhook_event where hook = %s and id <= %s order by id limit %s"
    lost = await tx.run(text, hook, newest[0], bounds.STEP)
    log.error("webhook %s: %d events that nobody took are given up, for more than %d wait", hook, lost, limit)


class Tell(Struct, frozen=True):
    notice: Notice

    async def apply(self, tx: Tx) -> None:
        await notify(tx, (self.notice,))


class Take(Struct, frozen=True):
    """Due ones, oldest first, for this node alone; another that would take them at this moment meets it in their rows."""

    hook: str
    now: float
    limit: int

    async def apply(self, tx: Tx) -> list[WebhookRow]:
        rows = await tx.all(
            "select id, hook, event, at, attempts, said, body from webhook_event where hook = %s and due <= %s"
            " order by due, id limit %s for update",
            self.hook, self.now, self.limit,
        )  # fmt: skip
        await tx.run("update webhook_event set due = %s where id in %s", self.now + POSTING, [row[0] for row in rows])
        return [
            WebhookRow(number, hook.decode(), event.decode(), at, attempts, said, body)
            for number, hook, event, at, attempts, said, body in rows
        ]


class MysqlWebhooks:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def tell(self, notice: Notice) -> None:
        await self._engine.do(Tell(notice), again=True)

    async def due(self, hook: str, now: float, limit: int) -> list[WebhookRow]:
        return await self._engine.do(Take(hook, now, limit))

    async def next_due(self, hook: str) -> float | None:
        row = await self._engine.one("select min(due) from webhook_event where hook = %s", hook)
        return None if row is None or row[0] is None else float(row[0])

    async def taken(self, ids: Sequence[int]) -> None:
        await self._engine.do(Change("delete from webhook_event where id in %s", (list(ids),)), again=True)

    async def put_off(self, row: WebhookRow, due: float, said: str) -> None:
        text = "update webhook_event set due = %s, attempts = %s, said = %s where id = %s"
        await self._engine.do(Change(text, (due, row.attempts + 1, said, row.id)), again=True)

    async def counts(self) -> list[WebhookCount]:
        text = (
            "select hook, count(*), min(at), coalesce((select said from webhook_event one where one.hook = every.hook"
            " and said != '' order by id desc limit 1), '') from webhook_event every group by hook order by hook"
        )
        return [WebhookCount(hook.decode(), *rest) for hook, *rest in await self._engine.all(text)]

    async def forget(self, known: Sequence[str]) -> int:
        if not known:
            return await drained(self._engine, "webhook_event where true")
        return await drained(self._engine, "webhook_event where hook not in %s", list(known))
