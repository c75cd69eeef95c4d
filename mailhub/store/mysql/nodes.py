"""Mailhubs that share a store: each signs in with a number of its own and says now and then that it lives.

What a node has leased is its own for as long as its row is there. One that was silent for `lease_seconds`, by the database's clock, is
taken off by another: its row goes, and what it had leased waits again, in one commit. When it wakes up late, all that it would record
finds its leases gone (their numbers begin with the node's), and it signs in anew.
"""

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent, Temporary

from .engine import Duplicate, Engine, Tx
from .versions import VERSION

log = logging.getLogger("mailhub.store")
SLOTS = 64  # nodes at one time; a queue id says in which slot it was made
NOW = "unix_timestamp(now(6))"
LEASED = 5  # leased, and to be held when it comes back: see store.sqlite.queue_units.HELD
# what a leased recipient was
BACK = "case when state = 5 then 3 when attempts = 0 then 0 else 2 end"
_BEATS = 4  # signs of life in the time after which a node counts as dead
_TAKEN = 1_000  # recipients that one unit takes back
_SOON = 1.0  # seconds after a sign of life that was not heard
_BITS = 32  # of a lease's number, below that of its node


def lease_of(node: int, number: int) -> int:
    """A lease that no other node ever gives."""
    return (node << _BITS) + number


def node_of(lease: int) -> int:
    return lease >> _BITS


class Place(Struct, frozen=True):
    """A node among the others: the number of its life, its slot, and the highest id that may have been given in that slot."""

    number: int
    slot: int
    last: int


class SignIn(Struct, frozen=True):
    """`name`: nobody else's, now; a node of that name is an earlier life, and has ended."""

    name: str
    seconds: float

    async def apply(self, tx: Tx) -> Place:
        await tx.run("delete from node where name = %s", self.name)
        taken = {row[0] for row in await tx.all("select slot from node")}
        slot = next((slot for slot in range(SLOTS) if slot not in taken), None)
        if slot is None:
            raise Permanent(f"{SLOTS} mailhubs share this store already")
        number = await tx.number(
            f"insert into node (name, slot, started, alive_until, version) values (%s, %s, {NOW}, {NOW} + %s, %s)",
            self.name, slot, self.seconds, VERSION,
        )  # fmt: skip
        row = await tx.one("select last from slot where slot = %s", slot)
        return Place(number, slot, row[0] if row is not None else 0)


class Beat(Struct, frozen=True):
    """Whether the node is still there. `last`: no id above it is given before the next one."""

    number: int
    slot: int
    seconds: float
    last: int

    async def apply(self, tx: Tx) -> bool:
        statement = f"update node set alive_until = {NOW} + %s where id = %s"
        if not await tx.run(statement, self.seconds, self.number):
            return False
        await keep_last(tx, self.slot, self.last)
        return True


async def keep_last(tx: Tx, slot: int, last: int) -> None:
    await tx.run(
        "insert into slot (slot, last) values (%s, %s) on duplicate key update last = greatest(last, values(last))",
        slot,
        last,
    )


class RaiseIds(Struct, frozen=True):
    last: int

    async def apply(self, tx: Tx) -> None:
        for slot in range(SLOTS):
            await keep_last(tx, slot, self.last)


class TakeBack(Struct, frozen=True):
    """Some of what a node had leased waits again; whether that was all. `flows`: it waits under these."""

    number: int

    async def apply(self, tx: Tx) -> bool:
        rows = await tx.all(
            "select item, n, flow_id, domain, sender, due from recipient where lease between %s and %s limit %s for update",
            lease_of(self.number, 0), lease_of(self.number + 1, -1), _TAKEN,
        )  # fmt: skip
        for item, n, *_ in rows:
            await tx.run(f"update recipient set state = {BACK}, lease = null where item = %s and n = %s", item, n)
        flows = {row[2]: row[2:] for row in rows}
        await tx.insert(
            "insert into flow (id, domain, sender, due)", list(flows.values()),
            "on duplicate key update due = least(due, values(due))",
        )  # fmt: skip
        return len(rows) < _TAKEN


class TakeOff(Struct, frozen=True):
    """Take a silent node off. False: it has spoken meanwhile. Its leases are without a node then, until they are taken back."""

    number: int

    async def apply(self, tx: Tx) -> bool:
        return await tx.run(f"delete from node where id = %s and alive_until < {NOW}", self.number) > 0


class Nodes:
    """This node among the others. `fenced()` is called when others have taken it for dead: all its leases are gone."""

    def __init__(self, engine: Engine, clock: Clock, name: str, seconds: float, fenced: Callable[[], None]) -> None:
        self._engine, self._clock, self._name, self._seconds, self._fenced = engine, clock, name, seconds, fenced
        self.number = self.slot = 0
        self._last = self._reserved = 0  # ids, in steps of SLOTS
        self._beaten = self._patient = float(
            "-inf"
        )  # by our clock: the last sign of life, and until when nobody is taken off
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Sign in, and take up what dead nodes have left."""
        await self._sign_in()
        await self.bury()
        self._task = asyncio.get_running_loop().create_task(self._live(), name="the node's signs of life")

    async def _sign_in(self) -> None:
        for _ in range(SLOTS):
            try:
                place = await self._engine.do(SignIn(self._name, self._seconds))
            except Duplicate:  # another took that slot meanwhile
                continue
            self.number, self.slot, self._last = place.number, place.slot, place.last // SLOTS
            await self._beat()
            return
        raise Temporary("store: no slot for this node")

    async def _live(self) -> None:
        pause = self._seconds / _BEATS
        while True:
            await self._clock.sleep(pause)
            pause = self._seconds / _BEATS
            try:
                if not await self._beat():
                    log.error("store: other mailhubs have taken this one for dead; it begins anew")
                    self._fenced()
                    await self._sign_in()
                await self.bury()
            except MailError as error:
                log.warning("store: %s", error)
                pause = min(pause, _SOON)
            except Exception:
                log.exception("store: a sign of life could not be given")
                pause = min(pause, _SOON)

    async def _beat(self) -> bool:
        """Ids up to some time ahead are this node's: none of them is given again after a crash, whatever the clock shows then."""
        ahead = max(self._last, self._step()) + int(2 * self._seconds * 1_000_000) // SLOTS
        asked = self._clock.monotonic()
        beat = Beat(self.number, self.slot, self._seconds, ahead * SLOTS)
        lives = await self._engine.do(beat, again=True, within=self._seconds / _BEATS)
        if lives:
            if asked - self._beaten > self._seconds / 2:  # the database was away: others could not speak, either
                self._patient = asked + self._seconds
            self._reserved, self._beaten = ahead, asked
        return lives

    @property
    def sure(self) -> bool:
        """Nobody can have taken this node for dead."""
        return self._clock.monotonic() - self._beaten < self._seconds

    def _step(self) -> int:
        return int(self._clock.now() * 1_000_000) // SLOTS

    def new_id(self) -> int:
        """A queue id that no node ever gave: the moment, in steps of SLOTS microseconds, and this node's slot. Temporary where the
        database has not answered for so long that none is left."""
        self._last = max(self._last + 1, min(self._step(), self._reserved))
        if self._last > self._reserved:
            raise Temporary("store: no ids are left until the database answers")
        return self._last * SLOTS + self.slot

    async def raise_ids(self, last: int) -> None:
        """No id up to this one, of another store, is given here by any node."""
        self._last = max(self._last, last // SLOTS + 1)
        await self._engine.do(RaiseIds(last + SLOTS), again=True)
        await self._beat()

    async def bury(self) -> None:
        """Take off nodes that are silent, and take up what they were delivering. What a node that ended by itself, or one that took
        another off and died, has left leased is found by having no node."""
        silent = await self._engine.all(f"select id from node where alive_until < {NOW}")
        for (number,) in silent if self._clock.monotonic() >= self._patient else ():
            if await self._engine.do(TakeOff(number)):
                log.warning("store: mailhub %d is silent; what it was delivering is taken up", number)
        for (number,) in await self._engine.all(
            f"select distinct lease >> {_BITS} from recipient where lease is not null and lease >> {_BITS} not in (select id from node)"
        ):
            while not await self._engine.do(TakeBack(number)):
                await self._beat()  # there may be much of it

    async def others(self) -> list[tuple[int, str, float]]:
        """All nodes: number, name, seconds since the last sign of life."""
        rows = await self._engine.all(f"select id, name, {NOW} - alive_until + %s from node order by id", self._seconds)
        return [(number, name, float(silent)) for number, name, silent in rows]

    async def close(self) -> None:
        """What is leased still waits for others at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._engine.all(
            "update slot set last = %s where slot = %s and exists (select 1 from node where id = %s)",
            self._last * SLOTS + self.slot, self.slot, self.number,
        )  # fmt: skip
        await self._engine.all("delete from node where id = %s", self.number)
        while not await self._engine.do(TakeBack(self.number)):
            pass
