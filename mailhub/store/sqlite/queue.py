"""api.QueueStore on SQLite. A lease is a recipient's state and a number in memory: one process owns the store, and its
opening gives back what a crash left leased."""

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mailhub.config import schema
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary

from ..api import (
    NOBODY,
    Act,
    Body,
    Busy,
    Item,
    Memory,
    NewItem,
    QueueCounts,
    QueuedRecipient,
    QueueFilter,
    Settle,
    State,
    Step,
)
from ..bodies import Spool, SpoolWriter, StoredContent, room_of
from ..files import Files
from ..lane import Lane
from ..space import Space
from .queue_changes import Change, Corrupt, Release, Take
from .queue_reads import LEASED, Damaged, QueueReads
from .queue_units import Put, Record
from .writer import CommitError, Writer

log = logging.getLogger("mailhub.store")
_UNKNOWN = (CommitError, asyncio.CancelledError)  # after these nobody knows whether a unit was committed
T = TypeVar("T")


class _Lease(Struct):
    """`left`: numbers of recipients that are not settled."""

    item: int
    content: int
    left: set[int]


class SqliteQueue:
    """Writes go to the writer as units, reads to the reading lane."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, spool: Spool, clock: Clock,
                 files: Files, config: schema.Store) -> None:  # fmt: skip
        self._writer, self._reader = writer, reader
        self._spool, self._clock, self._files = spool, clock, files
        self._space = Space(spool.folder, files, clock, config)
        self._reads = QueueReads(db, self._content)
        highest = db.execute(
            "select max(coalesce((select max(id) from item), 0), coalesce((select max(id) from content), 0),"
            " coalesce((select cast(value as integer) from meta where key = 'last_id'), 0))"
        ).fetchone()[0]
        self._ids = ids.Ids(clock, highest)
        self._leases: dict[int, _Lease] = {}
        self._numbers = itertools.count(1)
        self._unsure: list[Release] = []  # what may be leased in the store and is to nobody
        self.interrupted: Sequence[tuple[int, str]] = ()
        self.taught: Callable[[Memory | None], AbstractContextManager[object]] = (
            nullcontext  # around a unit that teaches it
        )

    def watch(self, listener: Callable[[], None]) -> None:
        """Nobody shares this store."""

    def new_id(self) -> int:
        return self._ids.next()

    def body_writer(self, room: Callable[[], int] | None = None) -> SpoolWriter:
        return self._spool.writer(self.new_id(), room)

    async def read_body(self, body: Body, offset: int, length: int) -> bytes:
        return await self._content(0, b"", body).read(offset, length)

    def _content(self, number: int, prefix: bytes, body: Body, tail: bytes = b"") -> StoredContent:
        return StoredContent(number, prefix, body, self._spool, self.load_body, tail)

    async def load_body(self, content: int) -> bytes:
        """The octets of a small body that lies in the database."""
        body = await self._read(self._reads.body, content)
        if body is None:
            raise Temporary(f"content {content} is gone")
        return body

    async def _read(self, function: Callable[..., T], *values: object) -> T:
        try:
            return await self._reader.call(function, *values)
        except sqlite3.Error as error:
            raise Temporary(f"store: {error}") from error

    def check_space(self) -> None:
        self._space.check()

    # --- leases ----------------------------------------------------------------------------------------------------

    async def put(self, item: NewItem) -> Item:
        at_once = not (item.held or item.in_line) and len(item.recipients) <= LEASED
        leased = at_once and item.due <= self._clock.now()
        try:
            await self._writer.do(Put(item, leased))
        except _UNKNOWN:
            self._unsure.append(Release(item.id, [recipient.n for recipient in item.recipients]))
            raise
        self._unsure = [unit for unit in self._unsure if unit.item != item.id]  # given again, it is sure now
        if isinstance(item.content, int):
            found = (await self._read(self._reads.shown, [item.id]))[0]
            return replace(found, lease=self._lease(found), whole=True) if leased else found
        new = item.content
        state = State.HOLD if item.held else State.ACTIVE if leased else State.INCOMING
        recipients = tuple(
            QueuedRecipient(
                r.n, r.address, r.orcpt, r.notify, r.depth, r.path, state, item.due, parent=r.parent, sender=r.sender
            )
            for r in item.recipients
        )
        put = Item(item.id, self._content(new.id, new.prefix, new.body, new.tail), item.sender, item.created, recipients,
                   item.parameters, item.origin, item.filter, verdict=item.verdict)  # fmt: skip
        return replace(put, lease=self._lease(put), whole=True) if leased else put

    def _lease(self, item: Item) -> int:
        number = next(self._numbers)
        self._leases[number] = _Lease(item.id, item.content.id, {recipient.n for recipient in item.recipients})
        return number

    async def lease(self, now: float, limit: int, busy: Busy = NOBODY) -> list[Item]:
        while self._unsure:
            unit = self._unsure.pop()
            try:
                await self._writer.do(unit)
            except BaseException:
                self._unsure.append(unit)
                raise
        chosen, flows = await self._read(self._reads.turns, now, limit, busy)
        if not flows:
            return []
        try:
            taken = await self._writer.do(Take(now, chosen, flows))
        except _UNKNOWN:
            self._unsure += [Release(item, [n]) for item, n in chosen]
            raise
        items = []
        for number, recipients in taken.items():
            try:
                item = await self._read_leased(number, recipients)
            except Temporary as error:
                log.error("queue item %s cannot be read now: %s", ids.text(number), error)
                self._unsure.append(Release(number, recipients))
                continue
            if item is None:
                continue
            items.append(replace(item, lease=self._lease(item)))
        return items

    async def _read_leased(self, number: int, recipients: list[int]) -> Item | None:
        """None where it is damaged: then it is set aside."""
        try:
            return await self._read(self._reads.leased, number, recipients, self._spool_size)
        except Damaged as error:
            log.error("queue item %s is damaged and set aside: %s", ids.text(number), error)
            await self._writer.do(Corrupt(number, recipients))
            return None

    def _spool_size(self, name: str) -> int | None:
        found = self._files.size(self._spool.path(name))
        return None if found is None else found - room_of(name)

    async def next_due(self, busy: Busy = NOBODY) -> float | None:
        return await self._read(self._reads.next_due, busy)

    async def settle(self, unit: Settle) -> None:
        lease = self._leases.get(unit.lease)
        if lease is None or lease.item != unit.item:
            raise Temporary(f"queue item {ids.text(unit.item)}: the lease is gone")
        with self.taught(unit.memory):
            await self._writer.do(Record(unit, lease.content, int(self._clock.now())))
        lease.left.difference_update(outcome.n for outcome in unit.outcomes)
        if unit.last:
            await self.release(unit.item, unit.lease)

    async def release(self, item: int, lease: int, due: float | None = None) -> None:
        given = self._leases.pop(lease, None)
        if given is None or not given.left:
            return
        unit = Release(item, tuple(given.left), due)
        try:
            await self._writer.do(unit)
        except Temporary as error:
            log.error("a lease cannot be given back now: %s", error)
            self._unsure.append(unit)

    # --- looking, and the operator's changes -----------------------------------------------------------------------

    async def page(self, which: QueueFilter, after: int = 0, limit: int = 100) -> list[Item]:
        found: list[int] = []
        reached: int | None = after
        while reached is not None and len(found) < limit:
            part, _, reached = await self._read(self._reads.step, which, reached)
            found += part
        return await self._read(self._reads.shown, found[:limit])

    async def counts(self) -> QueueCounts:
        return await self._read(self._reads.counts)

    async def quarantine_size(self) -> tuple[int, int]:
        return await self._read(self._reads.quarantine_size)

    async def ages(self, edges: Sequence[float], domains: int, limit: int) -> list[tuple[str, tuple[int, ...]]]:
        return await self._read(self._reads.ages, edges, domains, limit)

    async def act(self, act: Act, which: QueueFilter, now: float, after: int = 0) -> Step:
        found, seen, reached = await self._read(self._reads.step, which, after)
        touched = await self._writer.do(Change(tuple(found), act, which, now)) if found else 0
        return Step(touched, seen, reached)

    async def act_on_all(self, act: Act, which: QueueFilter, now: float) -> int:
        touched, after = 0, 0
        while True:
            step = await self.act(act, which, now, after)
            touched += step.touched
            if step.after is None:
                return touched
            after = step.after
