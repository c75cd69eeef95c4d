"""api.QueueStore on a cluster. A lease is a number that stands in the recipient's row and begins with its node's (`nodes`): what another
node has taken up, or has been given, is not this one's to settle."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

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
    NewItem,
    QueueCounts,
    QueuedRecipient,
    QueueFilter,
    Settle,
    State,
    Step,
)
from ..bodies import StoredContent
from ..files import Files
from ..space import Space
from . import queue_reads as reads
from .engine import Engine, UnknownCommit
from .nodes import Nodes, lease_of, node_of
from .objects import Objects, ObjectWriter
from .queue_changes import Change, Corrupt, Mend, Release, Take
from .queue_reads import LEASED, Damaged
from .queue_units import Put, Record

log = logging.getLogger("mailhub.store")
_UNKNOWN = (UnknownCommit, asyncio.CancelledError)  # after these nobody knows whether a unit was committed
_LOOK = 2.0  # seconds between two looks at what others have left
_LOST = 50_000  # recipients that one look for lost leases takes in
_MEND = 30.0  # seconds between two looks for flows without a turn


class _Lease(Struct):
    """`left`: numbers of recipients that are not settled."""

    item: int
    left: set[int]


class MysqlQueue:
    def __init__(
        self, engine: Engine, nodes: Nodes, objects: Objects, clock: Clock, files: Files, config: schema.Store
    ) -> None:
        self._engine, self._nodes, self._objects, self._clock = engine, nodes, objects, clock
        self._space = Space(objects.folder, files, clock, config)
        self._reads = reads.ItemReads(self._content)
        self._leases: dict[int, _Lease] = {}
        self._numbers = itertools.count(1)
        self._taking: set[int] = set()  # numbers of leases that are being taken
        self._lost: set[tuple[int, int]] = set()  # items and leases that nobody held when it was looked last
        self._unsure: list[Release] = []  # what may be leased in the store and is to nobody
        self.interrupted: Sequence[tuple[int, str]] = ()
        self._counts = reads.Counts(engine, clock)
        self._watchers: list[Callable[[], None]] = []
        self._looked = self._mended = float("-inf")

    def watch(self, listener: Callable[[], None]) -> None:
        self._watchers.append(listener)

    async def look(self) -> None:
        """Whether other nodes have left something that is due; now and then."""
        now = self._clock.monotonic()
        if self._watchers and now - self._looked >= _LOOK:
            self._looked = now
            if now - self._mended >= _MEND:
                self._mended = now
                await self.give_back_lost()
                await self._engine.do(Mend(self._clock.now()), again=True)
            due = await self.next_due()
            if due is not None and due <= self._clock.now():
                for listener in self._watchers:
                    listener()

    def new_id(self) -> int:
        return self._nodes.new_id()

    def body_writer(self, room: Callable[[], int] | None = None) -> ObjectWriter:
        """An object has no room: what delivery puts before it is put there as it is copied."""
        return self._objects.writer(self.new_id())

    async def read_body(self, body: Body, offset: int, length: int) -> bytes:
        return await self._content(0, b"", body, b"").read(offset, length)

    def _content(self, number: int, prefix: bytes, body: Body, tail: bytes) -> StoredContent:
        return StoredContent(number, prefix, body, self._objects, _never, tail)

    def check_space(self) -> None:
        self._space.check()

    # --- leases ----------------------------------------------------------------------------------------------------

    def _new_lease(self) -> int:
        return lease_of(self._nodes.number, next(self._numbers))

    @contextlib.contextmanager
    def _being_taken(self, leases: Collection[int]) -> Iterator[None]:
        """They stand in rows before anybody holds them."""
        self._taking.update(leases)
        try:
            yield
        finally:
            self._taking.difference_update(leases)

    async def put(self, item: NewItem) -> Item:
        at_once = not (item.held or item.in_line) and len(item.recipients) <= LEASED
        leased = at_once and item.due <= self._clock.now() and self._nodes.sure
        again = next((unit.lease for unit in self._unsure if unit.item == item.id), 0)  # given again, it is the same
        lease = (again or self._new_lease()) if leased else 0
        with self._being_taken([lease]):
            return await self._put_leased(item, lease)

    async def _put_leased(self, item: NewItem, lease: int) -> Item:
        """`lease` 0: it is not."""
        numbers = [recipient.n for recipient in item.recipients]
        self._counts.changed()
        try:
            await self._engine.do(Put(item, self._nodes.number, lease), again=True)
        except _UNKNOWN:
            self._unsure.append(Release(item.id, lease, numbers))
            raise
        self._unsure = [unit for unit in self._unsure if unit.item != item.id]
        if isinstance(item.content, int):
            found = await self._shown(item.id, lease, numbers)
        else:
            found = self._put(item, item.content.id, leased=bool(lease))
        if not lease:
            return found
        self._leases[lease] = _Lease(item.id, set(numbers))
        return replace(found, lease=lease, whole=True)

    async def _shown(self, number: int, lease: int, recipients: Sequence[int]) -> Item:
        """What was just put, of content that is there."""
        try:
            shown = await self._engine.look(partial(self._reads.shown, numbers=[number]))
        except BaseException:
            if lease:
                self._unsure.append(Release(number, lease, recipients))
            raise
        if shown:
            return shown[0]
        content = self._content(0, b"", Body(0, b""), b"")  # another node has been quicker, and all of it is delivered
        return Item(number, content, "", self._clock.now(), ())

    def _put(self, item: NewItem, content: int, *, leased: bool) -> Item:
        assert not isinstance(item.content, int)
        state = State.HOLD if item.held else State.ACTIVE if leased else State.INCOMING
        recipients = tuple(
            QueuedRecipient(
                r.n, r.address, r.orcpt, r.notify, r.depth, r.path, state, item.due, parent=r.parent, sender=r.sender
            )
            for r in item.recipients
        )
        stored = self._content(content, item.content.prefix, item.content.body, item.content.tail)
        return Item(item.id, stored, item.sender, item.created, recipients, item.parameters, item.origin, item.filter,
                    verdict=item.verdict)  # fmt: skip

    async def lease(self, now: float, limit: int, busy: Busy = NOBODY) -> list[Item]:
        while self._unsure:
            unit = self._unsure.pop()
            try:
                await self._engine.do(unit, again=True)
            except BaseException:
                self._unsure.append(unit)
                raise
        if not self._nodes.sure:
            return []
        chosen, flows = await self._engine.look(partial(reads.turns, now=now, limit=limit, busy=busy))
        if not flows:
            return []
        leases = {item: self._new_lease() for item in chosen}
        with self._being_taken(leases.values()):
            return await self._take(Take(now, chosen, flows, leases))

    async def _take(self, unit: Take) -> list[Item]:
        leases = unit.leases
        try:
            taken = await self._engine.do(unit)
        except _UNKNOWN:
            self._unsure += [Release(item, leases[item], numbers) for item, numbers in unit.chosen.items()]
            raise
        items = []
        for number, recipients in taken.items():
            try:
                item = await self._read_leased(number, leases[number], recipients)
            except Temporary as error:
                log.error("queue item %s cannot be read now: %s", ids.text(number), error)
                self._unsure.append(Release(number, leases[number], recipients))
                continue
            if item is not None:
                self._leases[leases[number]] = _Lease(number, set(recipients))
                items.append(replace(item, lease=leases[number]))
        return items

    async def _read_leased(self, number: int, lease: int, recipients: list[int]) -> Item | None:
        """None where it is damaged: then it is set aside."""
        try:
            return await self._engine.look(partial(self._reads.leased, number=number, recipients=recipients))
        except Damaged as error:
            log.error("queue item %s is damaged and set aside: %s", ids.text(number), error)
            await self._engine.do(Corrupt(number, lease), again=True)
            return None

    async def give_back_lost(self) -> None:
        """Leases of this node in rows that nothing here holds are given back, when they were seen so once before: what a COMMIT made whose answer
        was lost, or who was cut off between it and the reading of what he had taken."""
        node = self._nodes.number
        rows = await self._engine.all(
            "select item, n, lease from recipient where lease between %s and %s limit %s",
            lease_of(node, 0), lease_of(node + 1, -1), _LOST,
        )  # fmt: skip
        held: dict[tuple[int, int], list[int]] = {}
        for item, n, lease in rows:
            if lease not in self._leases and lease not in self._taking:
                held.setdefault((item, lease), []).append(n)
        for (item, lease), numbers in held.items():
            if (item, lease) in self._lost and lease not in self._leases and lease not in self._taking:
                log.warning("queue item %s: a lease that nobody holds is given back", ids.text(item))
                await self._engine.do(Release(item, lease, numbers), again=True)
        self._lost = set(held)

    async def next_due(self, busy: Busy = NOBODY) -> float | None:
        return await self._engine.look(partial(reads.next_due, busy=busy))

    async def settle(self, unit: Settle) -> None:
        lease = self._leases.get(unit.lease)
        if (
            lease is None and node_of(unit.lease) != self._nodes.number
        ):  # it was taken for dead meanwhile, and forgot all leases
            log.warning("queue item %s: another mailhub has it, and delivers it again", ids.text(unit.item))
            return
        if lease is None or lease.item != unit.item:
            raise Temporary(f"queue item {ids.text(unit.item)}: the lease is gone")
        self._counts.changed()
        done = await self._engine.do(Record(unit, unit.lease, self._nodes.number, int(self._clock.now())), again=True)
        open_still = lease.left.intersection(outcome.n for outcome in unit.outcomes)
        if open_still and not done:
            log.warning("queue item %s: another mailhub has it, and delivers it again", ids.text(unit.item))
        lease.left.difference_update(open_still)
        if unit.last:
            await self.release(unit.item, unit.lease)

    async def release(self, item: int, lease: int, due: float | None = None) -> None:
        self._counts.changed()
        given = self._leases.pop(lease, None)
        if given is None or not given.left:
            return
        unit = Release(item, lease, tuple(given.left), due)
        try:
            await self._engine.do(unit, again=True)
        except Temporary as error:
            log.error("a lease cannot be given back now: %s", error)
            self._unsure.append(unit)

    def fenced(self) -> None:
        """All that was leased is another's."""
        self._leases.clear()
        self._unsure.clear()

    # --- looking, and the operator's changes -----------------------------------------------------------------------

    async def page(self, which: QueueFilter, after: int = 0, limit: int = 100) -> list[Item]:
        found: list[int] = []
        reached: int | None = after
        while reached is not None and len(found) < limit:
            part, _, reached = await self._engine.look(partial(reads.step, which=which, after=reached))
            found += part
        return await self._engine.look(partial(self._reads.shown, numbers=found[:limit]))

    async def counts(self) -> QueueCounts:
        return await self._counts.get()

    async def quarantine_size(self) -> tuple[int, int]:
        return await self._engine.look(reads.quarantine_size)

    async def ages(self, edges: Sequence[float], domains: int, limit: int) -> list[tuple[str, tuple[int, ...]]]:
        return await self._engine.look(partial(reads.ages, edges=edges, domains=domains, limit=limit))

    async def act(self, act: Act, which: QueueFilter, now: float, after: int = 0) -> Step:
        found, seen, reached = await self._engine.look(partial(reads.step, which=which, after=after))
        touched = await self._engine.do(Change(tuple(found), act, which, now)) if found else 0
        self._counts.changed()
        return Step(touched, seen, reached)

    async def act_on_all(self, act: Act, which: QueueFilter, now: float) -> int:
        touched, after = 0, 0
        while True:
            step = await self.act(act, which, now, after)
            touched += step.touched
            if step.after is None:
                return touched
            after = step.after


async def _never(content: int) -> bytes:
    raise Temporary(f"content {content} has no octets of its own")
