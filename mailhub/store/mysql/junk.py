"""api.JunkStore on a cluster: every node knows what was taught on any.

What was taught of a message, and the sum it counts in, is decided by rows of its own; tokens that most mail has are written by every
lesson of the same owner, so that lessons of the whole site follow one another.
"""

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from mailhub.model.junk import Counts

from ..api import JunkLimits, Lesson
from . import bounds
from .engine import Duplicate, Engine, Tx
from .steps import drained

_DAY = 86_400
_PARTS = 16  # rows that an owner's sums are spread over
_TRIM = 50  # lessons of a part between two looks at the owner's bounds
_OWNERS = "select id from junk_owner where name in %s"


class Learnt(Enum):
    """What a lesson was: AND_ENOUGH says that it is time for a look at the owner's bounds."""

    KNOWN = 0
    NEW = 1
    AND_ENOUGH = 2


class Learn(Struct, frozen=True):
    """A lesson for one owner."""

    owner: int
    lesson: Lesson
    day: int

    async def apply(self, tx: Tx) -> Learnt:
        owner, lesson = self.owner, self.lesson
        part = lesson.key % _PARTS
        await tx.run(
            "insert into junk_sum (owner, part, junk, good, lessons) values (%s, %s, 0, 0, 0)"
            " on duplicate key update lessons = lessons + 1",
            owner, part,
        )  # fmt: skip
        before = await tx.one("select junk from junk_taught where owner = %s and message = %s", owner, lesson.key)
        known = None if before is None else bool(before[0])
        if known == lesson.junk:  # so already; or not there, and to be forgotten
            return Learnt.KNOWN
        if known is not None:
            await self._count(tx, part, known, -1)
        if lesson.junk is not None:
            await self._count(tx, part, lesson.junk, 1)
            row = (owner, lesson.key, lesson.junk, self.day)
            await tx.insert("replace into junk_taught (owner, message, junk, day)", [row])
        else:
            await tx.run("delete from junk_taught where owner = %s and message = %s", owner, lesson.key)
        sums = await tx.one("select lessons from junk_sum where owner = %s and part = %s", owner, part)
        lessons = (0 if sums is None else sums[0]) + part * _TRIM // _PARTS  # parts come to it one after the other
        return Learnt.AND_ENOUGH if lessons % _TRIM == _TRIM - 1 else Learnt.NEW

    async def _count(self, tx: Tx, part: int, junk: bool, sign: int) -> None:
        column = "junk" if junk else "good"
        changed = f"{column} = greatest(0, {column} + %s)"
        await tx.run(f"update junk_sum set {changed} where owner = %s and part = %s", sign, self.owner, part)
        tokens = sorted(set(self.lesson.tokens))
        if sign > 0:
            rows = [(self.owner, token, int(junk), int(not junk), self.day) for token in tokens]
            tail = f"on duplicate key update {column} = {column} + 1, day = values(day)"
            await tx.insert("insert into junk_token (owner, token, junk, good, day)", rows, tail)
            return
        for start in range(0, len(tokens), bounds.STEP):
            these = (self.owner, tokens[start : start + bounds.STEP])
            which = "where owner = %s and token in %s"
            await tx.run(f"update junk_token set {column} = greatest(0, {column} - 1) {which}", *these)
            await tx.run(f"delete from junk_token {which} and junk = 0 and good = 0", *these)


class Trim(Struct, frozen=True):
    """What was not taught again for long, and beyond the limit what was taught longest ago: how many rows of the table that were."""

    owner: int
    table: str
    oldest: int
    limit: int

    async def apply(self, tx: Tx) -> int:
        text = f"delete from {self.table} where owner = %s and day < %s limit %s"
        gone = await tx.run(text, self.owner, self.oldest, bounds.STEP)
        if too_many := await bounds.excess(tx, self.limit, f"{self.table} where owner = %s", self.owner):
            text = f"delete from {self.table} where owner = %s order by day limit %s"
            gone += await tx.run(text, self.owner, too_many)
        return gone


class NewOwner(Struct, frozen=True):
    name: str

    async def apply(self, tx: Tx) -> int:
        return await tx.number("insert into junk_owner (name) values (%s)", self.name)


class MysqlJunk:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def totals(self, owners: Sequence[str]) -> Counts:
        text = f"select coalesce(sum(junk), 0), coalesce(sum(good), 0) from junk_sum where owner in ({_OWNERS})"
        ((junk, good),) = await self._engine.all(text, list(owners))
        return Counts(int(junk), int(good))

    async def counts(self, owners: Sequence[str], tokens: Sequence[int]) -> dict[int, Counts]:
        text = f"select token, sum(junk), sum(good) from junk_token where owner in ({_OWNERS}) and token in %s group by token"
        rows = await self._engine.all(text, list(owners), list(tokens))
        return {token: Counts(int(junk), int(good)) for token, junk, good in rows}

    async def learn(self, owners: Sequence[str], lesson: Lesson, now: float, limits: JunkLimits) -> bool:
        """One owner after the other: done twice it is as done once, but for the answer."""
        new, day = False, int(now) // _DAY
        for name in owners:
            owner = await self._owner(name)
            learnt = await self._engine.do(Learn(owner, lesson, day), again=True)
            new = new or learnt is not Learnt.KNOWN
            if learnt is Learnt.AND_ENOUGH:
                await self._trim(owner, day - int(limits.expire // _DAY), limits.tokens)
        return new

    async def _trim(self, owner: int, oldest: int, limit: int) -> None:
        for table in ("junk_token", "junk_taught"):
            while await self._engine.do(Trim(owner, table, oldest, limit), again=True) >= bounds.STEP:
                pass

    async def _owner(self, name: str) -> int:
        text = "select id from junk_owner where name = %s"
        row = await self._engine.one(text, name)
        if row is not None:
            return int(row[0])
        try:
            return await self._engine.do(NewOwner(name))
        except Duplicate:  # another was quicker
            ((number,),) = await self._engine.all(text, name)
            return int(number)

    async def sizes(self, after: str, limit: int) -> list[tuple[str, Counts, int]]:
        rows = await self._engine.all(
            "select name, (select coalesce(sum(junk), 0) from junk_sum where owner = o.id),"
            " (select coalesce(sum(good), 0) from junk_sum where owner = o.id),"
            " (select count(*) from junk_token where owner = o.id) from junk_owner o"
            " where name > %s or %s = '' and name = '' order by name limit %s",
            after, after, limit,
        )  # fmt: skip
        return [(name.decode(), Counts(int(junk), int(good)), tokens) for name, junk, good, tokens in rows]

    async def forget(self, owner: str) -> None:
        row = await self._engine.one("select id from junk_owner where name = %s", owner)
        if row is None:
            return
        for table in ("junk_token", "junk_taught", "junk_sum"):
            await drained(self._engine, f"{table} where owner = %s", row[0])
        await drained(self._engine, "junk_owner where id = %s", row[0])
