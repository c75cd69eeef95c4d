"""Objects that no body names any more are deleted: those that a unit doomed, after a while in which readers end; and, once a day, those
that never got a row, because their node died between storing one and its commit.

A name is never used again by another message, so that what has no row now will never have one; but it may be on its way to it: nothing
younger than a day is touched. The unit that brought it may be given again, where the answer to its COMMIT was lost: whoever takes a doomed
object and whoever names it again write its row in `doomed`, and one of them finds what the other did. That it is gone is known for an hour.
"""

import asyncio
import logging
import re

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError

from .engine import Engine, Tx
from .nodes import NOW
from .objects import HEX, Objects
from .steps import drained

log = logging.getLogger("mailhub.store")
_GRACE = 300.0  # seconds
_KNOWN = 3_600.0
_PART = 200  # objects
_EVERY = 60.0
_SWEEP = 86_400.0
_BODY = re.compile(r"[0-9a-f]{64}\.body")


class _Take(Struct, frozen=True):
    """Whether an object is to be deleted: nobody has named it again (`contents`), and from now on nobody can."""

    name: str
    grace: float

    async def apply(self, tx: Tx) -> bool:
        taken = await tx.run(
            f"update doomed set gone = -{NOW} where object = %s and gone <= 0 and since < {NOW} - %s",
            self.name,
            self.grace,
        )
        if taken and await tx.one(
            "select 1 from body where id = %s and object = %s", bytes.fromhex(self.name[:HEX]), self.name
        ):  # a node of a version that does not look here has
            await tx.run("delete from doomed where object = %s", self.name)
            return False
        return taken > 0


class Collector:
    def __init__(self, engine: Engine, objects: Objects, clock: Clock) -> None:
        self._engine, self._objects, self._clock = engine, objects, clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="the collector of bodies")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        next_sweep = self._clock.monotonic() + _EVERY
        while True:
            await self._clock.sleep(_EVERY)
            try:
                await self.collect(_GRACE)
                if self._clock.monotonic() >= next_sweep:
                    next_sweep += _SWEEP
                    await self.sweep(_SWEEP)
            except MailError as error:
                log.warning("bodies can not be collected now: %s", error)
            except Exception:
                log.exception("bodies can not be collected")

    async def collect(self, grace: float) -> int:
        """Delete objects that were doomed so many seconds ago; how many."""
        done = 0
        while True:
            rows = await self._engine.all(
                f"select object from doomed where since < {NOW} - %s and gone <= 0 limit %s", grace, _PART
            )
            for (name,) in rows:
                if await self._engine.do(_Take(name, grace), again=True):
                    await self._objects.delete(name)
                    await self._engine.all(f"update doomed set gone = {NOW} where object = %s", name)
                    done += 1
            if len(rows) < _PART:
                break
        await drained(
            self._engine, f"doomed where since < {NOW} - %s and gone > 0 and gone < {NOW} - %s", _KNOWN, _KNOWN
        )
        return done

    async def sweep(self, age: float) -> int:
        """Delete objects that are older, in seconds, and that no row names; how many. Only the clock of the object store is asked: where this
        node's goes wrong, nothing is older by that."""
        done, after, before = 0, "", await self._objects.bucket.now() - age
        while page := await self._objects.bucket.page(after):
            after = page[-1][0]
            old = [name for name, written in page if written < before and _BODY.fullmatch(name)]
            if old:
                keys = [bytes.fromhex(name[:HEX]) for name in old]
                named = await self._engine.all(
                    "select object from body where id in %s union select object from doomed where object in %s",
                    keys,
                    old,
                )
                for name in set(old) - {name for (name,) in named}:
                    await self._objects.delete(name)
                    done += 1
        if done:
            log.info("%d bodies without a row are gone", done)
        return done
