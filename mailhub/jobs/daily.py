"""Work that a hub does once a day."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable

from mailhub.model.clock import Clock

log = logging.getLogger("mailhub.jobs")

DAY = 86_400


class Daily:
    """Calls `work` at the start, for what was due while the hub was down, and each day within `spread` seconds after midnight UTC.
    What goes wrong is logged, and tried again the next day."""

    def __init__(
        self, name: str, work: Callable[[], Awaitable[None]], clock: Clock, spread: float, chance: random.Random
    ) -> None:
        self._name, self._work, self._clock, self._spread, self._chance = name, work, clock, spread, chance
        self._next = clock.now()
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        """A core task, that ends by `stop` alone."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)
        return self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except Exception:
                log.exception("%s: the work of the day failed", self._name)
            midnight = (self._clock.now() // DAY + 1) * DAY
            self._next = midnight + self._chance.uniform(0, self._spread)
            self._done.set()
            await self._clock.sleep_until(self._next)

    async def idle(self) -> None:
        """Return when nothing is due, so that only the clock can bring more."""
        while self._next <= self._clock.now():
            self._done.clear()
            await self._done.wait()

    async def stop(self) -> None:
        self._next = math.inf
        self._done.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
