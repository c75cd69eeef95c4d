"""Work that a hub does again and again: once a day, or when its time has come."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable

from mailhub.model.clock import Clock

log = logging.getLogger("mailhub.jobs")

DAY = 86_400


class Repeated:
    """Calls `work` at the start, for what was due while the hub was down, and then at the time that `following` makes of now. What goes
    wrong is logged, and tried again the next time."""

    def __init__(
        self, name: str, work: Callable[[], Awaitable[None]], clock: Clock, following: Callable[[float], float]
    ) -> None:
        self._name, self._work, self._clock, self._following = name, work, clock, following
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
                log.exception("%s: the work failed", self._name)
            self._next = self._following(self._clock.now())
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


class Daily(Repeated):
    """Each day within `spread` seconds after midnight UTC."""

    def __init__(
        self, name: str, work: Callable[[], Awaitable[None]], clock: Clock, spread: float, chance: random.Random
    ) -> None:
        super().__init__(name, work, clock, lambda now: (now // DAY + 1) * DAY + chance.uniform(0, spread))
