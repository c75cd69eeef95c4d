"""Reports that are sent once a day on what was counted meanwhile: the counts go into the store every minute, the reports out of it."""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from mailhub.model.clock import Clock, Timer
from mailhub.model.errors import MailError

from .daily import Daily

log = logging.getLogger("mailhub.jobs")

_FLUSH = 60.0  # seconds that counts may be in memory alone


class Counts(Protocol):
    """`on_first` is called when there is something to flush."""

    on_first: Callable[[], object]

    async def flush(self) -> None: ...


class CountedReports(ABC):
    """`start`, then `stop`. `idle` returns when nothing is due, so that only the clock can bring more."""

    def __init__(
        self, name: str, counts: Counts, clock: Clock, spread: float, chance: random.Random | None = None
    ) -> None:
        self._counts, self._clock, self._name = counts, clock, name
        self._daily = Daily(f"the {name} reports", self._work_of_a_day, clock, spread, chance or random.Random())
        self._timer: Timer | None = None
        self._work: set[asyncio.Task[None]] = set()  # with the store, not to be cut

    @abstractmethod
    async def _send_all(self) -> None:
        """Of all days that are over. MailError where the store can not say."""

    def start(self) -> "asyncio.Task[None]":
        """A core task, that ends by `stop` alone."""
        self._counts.on_first = self._flush_later
        return self._daily.start()

    async def idle(self) -> None:
        await self._daily.idle()
        while self._work:
            await asyncio.wait(set(self._work))

    async def stop(self) -> None:
        """What was counted, and what is on its way into the queue, is kept."""
        await self._daily.stop()
        self._counts.on_first = lambda: None
        if self._timer is not None:
            self._timer.cancel()
        if self._work:
            await asyncio.wait(set(self._work))
        await self._flush()

    def _uncut(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _flush_later(self) -> None:
        self._timer = self._clock.call_later(_FLUSH, lambda: self._uncut(self._flush_now()))

    async def _flush_now(self) -> None:
        if not await self._flush():
            self._flush_later()

    async def _flush(self) -> bool:
        try:
            await self._counts.flush()
        except MailError as error:
            log.warning("what is counted for %s reports can not be kept now: %s", self._name, error)
            return False
        return True

    async def _work_of_a_day(self) -> None:
        await self._flush()
        try:
            await self._send_all()
        except MailError as error:
            log.warning("%s reports can not be made now: %s", self._name, error)
