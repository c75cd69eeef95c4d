"""api.QueueStore on SQLite. Leases live in memory: one process owns the store."""

import itertools
import json
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import PLAIN, MailParameters, Origin
from mailhub.model.errors import LimitReached, Temporary
from mailhub.model.reply import Reply

from ..api import Body, Item, NewItem, QueueCounts, QueuedRecipient, QueueFilter, Settle, State
from ..files import Files
from ..lane import Lane
from .bodies import Spool, SpoolWriter, StoredContent
from .queue_units import Change, Corrupt, Put, Record, Remove, where
from .writer import Writer

log = logging.getLogger("mailhub.store")
_ITEM = (
    "item.id, item.content, sender, created, parameters, origin, filter, content.size, content.spool, content.prefix,"
    " content.tail"
)
_RECIPIENT = (
    "item, n, address, orcpt, notify, depth, path, state, due, attempts, code, enhanced, reply, remote, warned, parent"
)
_SPACE_CHECK = 1.0  # seconds between two looks at the free space


class SqliteQueue:
    """Writes go to the writer as units, reads to the reading lane."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, spool: Spool, clock: Clock,
                 files: Files, floor: int) -> None:  # fmt: skip
        self._writer, self._reader, self._db = writer, reader, db
        self._spool, self._clock, self._files, self._floor = spool, clock, files, floor
        highest = db.execute(
            "select max(coalesce((select max(id) from item), 0), coalesce((select max(id) from content), 0),"
            " coalesce((select cast(value as integer) from meta where key = 'last_id'), 0))"
        ).fetchone()[0]
        self._ids = ids.Ids(clock, highest)
        self._leases: dict[int, tuple[int, int]] = {}  # item: (lease, content)
        self._numbers = itertools.count(1)
        self._space_checked = float("-inf")
        self._space = 0

    def new_id(self) -> int:
        return self._ids.next()

    def body_writer(self) -> SpoolWriter:
        return self._spool.writer(self.new_id())

    async def read_body(self, body: Body) -> bytes:
        return await StoredContent(0, b"", body, self._spool, self.load_body).read(0, body.size)

    def check_space(self) -> None:
        now = self._clock.monotonic()
        if now - self._space_checked >= _SPACE_CHECK:
            self._space_checked, self._space = now, self._files.free_space(self._spool.folder)
        if self._space < self._floor:
            raise LimitReached(f"{self._space} octets free, store.free_space_floor is {self._floor}",
                               Reply(452, "4.3.1", "Insufficient system storage"))  # fmt: skip

    async def put(self, item: NewItem) -> Item:
        await self._writer.do(Put(item))
        if isinstance(item.content, int):
            return (await self.page(QueueFilter(ids=(item.id,)), item.id - 1, 1))[0]
        new = item.content
        content = StoredContent(new.id, new.prefix, new.body, self._spool, self.load_body, new.tail)
        state = State.HOLD if item.held else State.INCOMING
        recipients = tuple(
            QueuedRecipient(r.n, r.address, r.orcpt, r.notify, r.depth, r.path, state, item.due, parent=r.parent)
            for r in item.recipients
        )
        lease = 0
        if item.due <= self._clock.now() and not item.held and item.id not in self._leases:
            lease = self._lease(item.id, new.id)
        return Item(item.id, content, item.sender, item.created, recipients, item.parameters, item.origin,
                    item.filter, lease)  # fmt: skip

    def _lease(self, item: int, content: int) -> int:
        number = next(self._numbers)
        self._leases[item] = (number, content)
        return number

    async def lease(self, now: float, limit: int) -> list[Item]:
        held = json.dumps(list(self._leases))
        found: list[int] = await self._reader.call(self._due_items, now, limit, held)
        items = []
        for number in found:
            if number in self._leases:
                continue
            try:
                item = (await self._reader.call(self._items, [number], now))[0]
            except (ValueError, IndexError, msgspec.MsgspecError, sqlite3.DatabaseError) as error:
                log.error("queue item %s is damaged and set aside: %s", ids.text(number), error)
                await self._writer.do(Corrupt(number))
                continue
            lease = self._lease(item.id, item.content.id)
            items.append(replace(item, lease=lease))
        return items

    def _due_items(self, now: float, limit: int, held: str) -> list[int]:
        rows = self._db.execute(
            "select item, min(due) from (select item, due from recipient where state in (0, 2) and due <= ?"
            " and item not in (select value from json_each(?)) order by due limit ?) group by item order by 2",
            (now, held, limit * 4),
        ).fetchall()
        return [row[0] for row in rows[:limit]]

    async def next_due(self) -> float | None:
        held = json.dumps(list(self._leases))
        row = await self._reader.call(self._row,
            "select min(due) from recipient where state in (0, 2) and item not in (select value from json_each(?))",
            (held,))  # fmt: skip
        return None if row is None else row[0]

    def _row(self, statement: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
        return row

    async def settle(self, unit: Settle) -> None:
        lease, content = self._leases.get(unit.item, (0, 0))
        if not lease or lease != unit.lease:
            raise Temporary(f"queue item {ids.text(unit.item)}: the lease is gone")
        await self._writer.do(Record(unit, content, int(self._clock.now())))
        if unit.last:
            self._leases.pop(unit.item, None)

    async def release(self, item: int, lease: int) -> None:
        if self._leases.get(item, (0, 0))[0] == lease:
            del self._leases[item]

    # --- looking ---------------------------------------------------------------------------------------------------

    async def page(self, which: QueueFilter, after: int = 0, limit: int = 100) -> list[Item]:
        found = await self._reader.call(self._matching, which, after, limit)
        items: list[Item] = await self._reader.call(self._items, found, None)
        return [_as_active(item) if item.id in self._leases else item for item in items]

    def _matching(self, which: QueueFilter, after: int, limit: int) -> list[int]:
        term, values = where(which)
        rows = self._db.execute(
            f"select distinct item.id from item join recipient on recipient.item = item.id where item.id > ? and {term}"
            " order by item.id limit ?",
            (after, *values, limit),
        ).fetchall()
        return [row[0] for row in rows]

    def _items(self, numbers: Sequence[int], due: float | None) -> list[Item]:
        """Items whole, or with those recipients that are due."""
        chosen = json.dumps(list(numbers))
        only = "" if due is None else " and state in (0, 2) and due <= ?"
        values = (chosen,) if due is None else (chosen, due)
        recipients: dict[int, list[QueuedRecipient]] = {}
        for row in self._db.execute(
            f"select {_RECIPIENT} from recipient where item in (select value from json_each(?)){only} order by item, n",
            values,
        ).fetchall():
            recipients.setdefault(row[0], []).append(_recipient(row))
        rows = self._db.execute(
            f"select {_ITEM} from item join content on content.id = item.content"
            " where item.id in (select value from json_each(?)) order by item.id",
            (chosen,),
        ).fetchall()
        return [self._item(row, tuple(recipients.get(row[0], ()))) for row in rows]

    def _item(self, row: Sequence[Any], recipients: tuple[QueuedRecipient, ...]) -> Item:
        number, content, sender, created, parameters, origin, taken_by, size, spool, prefix, tail = row
        stored = StoredContent(content, prefix, Body(size, None, spool), self._spool, self.load_body, tail)
        return Item(number, stored, sender, created, recipients, _parameters(parameters),
                    msgspec.json.decode(str(origin), type=Origin), taken_by)  # fmt: skip

    async def load_body(self, content: int) -> bytes:
        """The octets of a small body that lies in the database."""
        row = await self._reader.call(self._row, "select body from content where id=?", (content,))
        if row is None or not isinstance(row[0], bytes):
            raise Temporary(f"content {content} is gone")
        return row[0]

    async def counts(self) -> QueueCounts:
        held = json.dumps(list(self._leases))
        rows = await self._reader.call(self._counts, held)
        items, recipients = rows.pop(0)[:2]
        return QueueCounts(items, recipients, tuple((d, State(s), n, oldest) for d, s, n, oldest in rows))

    def _counts(self, held: str) -> list[tuple[Any, ...]]:
        total = self._db.execute("select (select count(*) from item), (select count(*) from recipient)").fetchone()
        rows = self._db.execute(
            "select substr(address, instr(address, '@') + 1) as domain,"
            " case when item in (select value from json_each(?)) and state in (0, 2) then 1 else state end as shown,"
            " count(*), min(item.created) from recipient join item on item.id = recipient.item"
            " group by 1, 2 order by 3 desc limit 1000",
            (held,),
        ).fetchall()
        return [total, *rows]

    # --- the operator's changes ------------------------------------------------------------------------------------

    async def hold(self, which: QueueFilter) -> int:
        return await self._change(which, "state=3", ())

    async def unhold(self, which: QueueFilter, now: float) -> int:
        return await self._change(which, "state=2, due=?", (now,), (State.HOLD, State.CORRUPT))

    async def retry(self, which: QueueFilter, now: float) -> int:
        return await self._change(which, "due=?", (now,), (State.INCOMING, State.DEFERRED))

    async def _change(self, which: QueueFilter, assignment: str, values: tuple[object, ...],
                      states: tuple[State, ...] = ()) -> int:  # fmt: skip
        if states:
            wanted = tuple(s for s in states if not which.states or s in which.states)
            if not wanted:  # asked for none that this action applies to: an empty tuple would mean all
                return 0
            which = replace(which, states=wanted)
        touched, after = 0, 0
        while page := await self._reader.call(self._matching, which, after, 1000):
            await self._writer.do(Change(tuple(page), which, assignment, values))
            touched, after = touched + len(page), page[-1]
        return touched

    async def remove(self, which: QueueFilter) -> int:
        removed, after = 0, 0
        while page := await self._reader.call(self._matching, which, after, 1000):
            after = page[-1]
            free = tuple(item for item in page if item not in self._leases)
            removed += await self._writer.do(Remove(free, which)) if free else 0
        return removed


def _parameters(text: str) -> MailParameters:
    return msgspec.json.decode(text, type=MailParameters) if text else PLAIN


def _recipient(row: Sequence[Any]) -> QueuedRecipient:
    _, n, address, orcpt, notify, depth, path, state, due, attempts, code, enhanced, reply, remote, warned, parent = row
    last = None if code is None else Reply(code, enhanced, reply)
    steps = tuple(path.split("\n")) if path else ()
    return QueuedRecipient(n, address, orcpt, notify, depth, steps, State(state), due, attempts, last, remote or "",
                           bool(warned), parent)  # fmt: skip


def _as_active(item: Item) -> Item:
    waiting = (State.INCOMING, State.DEFERRED)
    return replace(item, recipients=tuple(
        replace(r, state=State.ACTIVE) if r.state in waiting else r for r in item.recipients
    ))  # fmt: skip
