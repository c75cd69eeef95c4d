"""The queue manager: keeps the active set full, and nothing more.

What is put goes straight from `put` into the active set, its body still in memory; what was deferred is leased from the
store when it is due. Postfix's words: incoming and deferred lie in the store, active is here.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.store.api import Item, QueueStore

from .attempt import Attempts

log = logging.getLogger("mailhub.queue")
_PAGE = 100  # items leased at a time
_STORE_PAUSE = 5.0  # seconds to wait where the store cannot answer


class Manager:
    """`start`, then `wake` for each message put; `stop` leaves what is unfinished to the next start."""

    def __init__(self, store: QueueStore, attempts: Attempts, active_limit: int, clock: Clock) -> None:
        self._store, self._attempts, self._limit, self._clock = store, attempts, active_limit, clock
        self._active: dict[int, asyncio.Task[None]] = {}
        self._kick = asyncio.Event()
        self._progress = asyncio.Event()
        self._stopping = False
        self._feeder: asyncio.Task[None] | None = None

    @property
    def active(self) -> int:
        """Messages under delivery."""
        return len(self._active)

    def start(self) -> "asyncio.Task[None]":
        """The feeding task, for the owner to watch: it ends only by `stop`."""
        self._feeder = asyncio.get_running_loop().create_task(self._feed(), name="queue manager")
        return self._feeder

    def wake(self, item: Item | None = None) -> None:
        """Something is due: this leased item, or what the store knows of."""
        if item is None or not item.lease:
            self._kick.set()
        elif self._stopping or len(self._active) >= self._limit:
            self._spawn(self._give_back(item), item.id)
        else:
            self._spawn(self._attempt(item), item.id)

    def _spawn(self, work: Coroutine[Any, Any, None], number: int) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._active[number] = task
        task.add_done_callback(lambda done: self._ended(number, done))

    def _ended(self, number: int, task: "asyncio.Task[None]") -> None:
        if self._active.get(number) is task:
            del self._active[number]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: attempt failed", ids.text(number), exc_info=error)
        self._progress.set()
        self._kick.set()

    async def _attempt(self, item: Item) -> None:
        try:
            await self._attempts.make(item)
        finally:
            await self._store.release(item.id, item.lease)

    async def _give_back(self, item: Item) -> None:
        await self._store.release(item.id, item.lease)

    async def _feed(self) -> None:
        while not self._stopping:
            self._kick.clear()
            try:
                room = min(_PAGE, self._limit - len(self._active))
                items = await self._store.lease(self._clock.now(), room) if room > 0 else []
                due = await self._store.next_due() if not items else None
            except Temporary as error:
                log.error("the queue cannot be read: %s", error)
                await self._clock.sleep(_STORE_PAUSE)
                continue
            for item in items:
                self.wake(item)
            if not items:
                await self._wait(due)

    async def _wait(self, due: float | None) -> None:
        """Until something is due, or somebody kicks. With a full active set only the end of an attempt counts."""
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._kick.wait())}
        if due is not None and len(self._active) < self._limit:
            waits.add(asyncio.ensure_future(self._clock.sleep_until(due)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def idle(self) -> None:
        """Return when nothing is under delivery and nothing is due."""
        while True:
            while self._active:
                self._progress.clear()
                await self._progress.wait()
            due = await self._store.next_due()
            if self._active:
                continue
            if self._stopping or due is None or due > self._clock.now():
                return
            self._kick.set()
            await asyncio.sleep(0)

    async def stop(self, grace: float) -> None:
        """Start nothing new, let attempts end for `grace` seconds, then cut them: the store still has their messages."""
        self._stopping = True
        self._kick.set()
        if self._feeder is not None:
            await asyncio.gather(self._feeder, return_exceptions=True)
        try:
            async with self._clock.timeout(grace):
                while self._active:
                    await asyncio.wait(set(self._active.values()))
        except TimeoutError:
            log.warning("%d deliveries are cut; they will be tried again after the next start", len(self._active))
        tasks = set(self._active.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
