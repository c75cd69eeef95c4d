"""Deletions of any number of rows, in units of bounded size."""

from msgspec import Struct

from .bounds import STEP
from .engine import Engine, Tx


class Some(Struct, frozen=True):
    """STEP rows at most of "table where ..."; how many went."""

    which: str
    values: tuple[object, ...]

    async def apply(self, tx: Tx) -> int:
        return await tx.run(f"delete from {self.which} limit %s", *self.values, STEP)


async def drained(engine: Engine, which: str, *values: object) -> int:
    """All of them; how many these were, as far as it is known."""
    gone = 0
    while some := await engine.do(Some(which, values), again=True):
        gone += some
    return gone
