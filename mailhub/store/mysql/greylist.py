"""api.GreylistStore on a cluster."""

from msgspec import Struct

from ..api import Attempts
from . import bounds
from .engine import Engine, Tx


class PutAttempts(Struct, frozen=True):
    digest: bytes
    attempts: Attempts

    async def apply(self, tx: Tx) -> None:
        one = self.attempts
        row = (self.digest, one.first, one.passes, one.until)
        await tx.insert("replace into greylist (digest, first, passes, until)", [row])


class Forget(Struct, frozen=True):
    """What may be forgotten, then what may be soonest of what is too much. In a unit of its own: nodes that do it at one moment meet, and
    no letter waits for that."""

    kept: bytes
    now: float
    limit: int

    async def apply(self, tx: Tx) -> None:
        text = "delete from greylist where until < %s and digest != %s order by until limit %s"
        await tx.run(text, self.now, self.kept, bounds.STEP)
        if too_many := await bounds.excess(tx, self.limit, "greylist"):
            await tx.run("delete from greylist where digest != %s order by until limit %s", self.kept, too_many)


class MysqlGreylist:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def find(self, digest: bytes) -> Attempts | None:
        row = await self._engine.one("select first, passes, until from greylist where digest = %s", digest)
        return None if row is None else Attempts(*row)

    async def put(self, digest: bytes, attempts: Attempts, now: float, limit: int) -> None:
        await self._engine.do(PutAttempts(digest, attempts), again=True)
        if bounds.looked_at(limit):
            await self._engine.do(Forget(digest, now, limit), again=True)
