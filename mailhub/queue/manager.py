"""The queue manager: keeps the active set full, and nothing more.

What is put goes straight from `put` into the active set, its body still in memory; what was deferred is leased from the
store when it is due. Postfix's words: incoming and deferred lie in the store, active is here.
"""

import asyncio
import logging
import math
import random
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from mailhub import log as logs
from mailhub.config import schema
from mailhub.delivery.router import Router
from mailhub.delivery.transport import Transport
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.store.api import Act, Item, QueueFilter, QueueStore, State
from mailhub.trace import Trace

from .active import ActiveSet
from .attempt import BROKEN_PAUSE, Attempt, Shared
from .bounce import Bounces
from .destinations import Destinations
from .notices import Notices
from .schedule import Schedule
from .suppression import Suppressions
from .waits import Waits
from .words import CUT

log = logging.getLogger("mailhub.queue")
_PAGE = 100  # items leased at a time
_STORE_PAUSE = 5.0  # seconds until a store that could not answer is asked again


class Manager:
    """`start`, `run` as a core task, `wake` for each message put, `stop`.

    `transports`: by name; "local" is one of them. `limits`: deliveries by some of them. `chance` draws the jitter.
    """

    def __init__(
        self,
        store: QueueStore,
        router: Router,
        transports: Mapping[str, Transport],
        config: schema.Queue,
        hostname: str,
        clock: Clock,
        chance: random.Random | None = None,
        *,
        suppressions: Suppressions,
        trace: Trace | None = None,
        limits: Mapping[str, int] | None = None,
        notices: Notices | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._chance = chance or random.Random()
        self._destinations = Destinations(config, clock, limits)
        self._set = ActiveSet(config.active_limit)
        schedule = Schedule(config, self._chance)
        bounces = Bounces(store, schedule, hostname, router.domain, clock)
        self._progress = asyncio.Event()  # something that `idle` or `stop` may be waiting for
        self._shared = Shared(
            store, router, transports, self._destinations, self._set, schedule, bounces, suppressions, clock,
            self._progress.set,
            trace or Trace.off(clock),
            notices or Notices({}, clock),
        )  # fmt: skip
        self.configure(config)
        self._active: dict[int, asyncio.Task[None]] = {}  # by lease
        self._kick = asyncio.Event()
        self._due = math.inf  # when the store may next have something due that is not leased
        self._alarm: asyncio.Task[None] | None = None
        self._looking = self._running = self._stopping = False

    def configure(self, config: schema.Queue) -> None:
        """Take over a new configuration, from the next attempt on."""
        self._set.limit = config.active_limit
        self._destinations.configure(config)
        schedule = Schedule(config, self._chance)
        self._shared.schedule = schedule
        self._shared.bounces.configure(schedule)

    def deadline(self, item: Item, address: str) -> float:
        """When the message is given up for that recipient (wall time)."""
        return self._shared.schedule.deadline(item, address)

    @property
    def active(self) -> int:
        """Messages under delivery."""
        return len(self._active)

    @property
    def outcomes(self) -> Mapping[str, int]:
        """What became of recipients since the start: sent, deferred, held, bounced, redirected."""
        return self._shared.outcomes

    @property
    def waits(self) -> Waits:
        """How long delivery took, of all since the start."""
        return self._shared.waits

    @property
    def destinations(self) -> dict[str, int]:
        """Deliveries under way by destination."""
        return self._destinations.running

    async def start(self) -> None:
        """Find out when work is due; raises what the store raises. `run` goes on from there."""
        due = await self._store.next_due()
        self._store.watch(self.wake)
        for number, address in self._store.interrupted:
            self._shared.trace.attempted(number, address, CUT)
        self._running = True
        self._due_at(math.inf if due is None else due)

    async def run(self) -> None:
        """Lease what is due, as long as there is room; ends by `stop` alone. An error that comes out is a bug."""
        while not self._stopping:
            self._kick.clear()
            if self._due <= self._clock.now() and self._set.room:
                await self._lease()
                continue
            self._set_alarm()
            await self._kick.wait()

    def wake(self, item: Item | None = None) -> None:
        """Something is due: this leased item, or what the store knows of."""
        if item is None or not item.lease:
            self._due_at(self._clock.now())
        elif self._stopping or not self._set.fits(item.sender, [recipient.address for recipient in item.recipients]):
            self._spawn(self._give_back(item), item)  # many came at one time: their turn comes
        else:
            self._spawn(self._attempt(item), item)

    def has_room(self, sender: str, recipients: Iterable[str]) -> bool:
        """Whether a new message may be leased as it is put; else it stands in line."""
        return self._set.fits(sender, recipients)

    def forgive(self) -> None:
        """An operator made something due: destinations that were in trouble are asked again, too."""
        self._destinations.forgive()
        self.wake()

    async def flush(self) -> None:
        """All that is deferred is due now."""
        await self._store.act_on_all(Act.RETRY, QueueFilter(states=(State.DEFERRED,)), self._clock.now())
        self.forgive()

    # --- what is due ------------------------------------------------------------------------------------------------

    def _due_at(self, when: float) -> None:
        if when < self._due:
            self._due = when
            self._kick.set()

    async def _lease(self) -> None:
        room = max(1, min(_PAGE, self._set.room // 2))  # whoever gets all of it leaves as much to others
        now, self._due, self._looking = self._clock.now(), math.inf, True
        due: float | None = now
        try:
            busy = self._set.busy()
            items = await self._store.lease(now, room, busy)
            for item in items:
                self._spawn(self._give_back(item) if self._stopping else self._attempt(item), item)
            if not items:
                due = await self._store.next_due(busy)
                if due is not None:
                    due = max(due, self._clock.now() + 1.0)  # not leased though due: never spin
        except Temporary as error:
            log.error("the queue cannot be read: %s", error)
            due = self._clock.now() + _STORE_PAUSE
        finally:
            self._looking = False
        self._due_at(math.inf if due is None else due)
        self._progress.set()

    def _set_alarm(self) -> None:
        """With a full active set only the end of an attempt counts."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._clock.now() < self._due < math.inf:
            self._alarm = asyncio.get_running_loop().create_task(self._ring(self._due))

    async def _ring(self, when: float) -> None:
        await self._clock.sleep_until(when)
        self._kick.set()

    # --- attempts ---------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None], item: Item) -> None:
        with logs.about(item.id):
            task = asyncio.get_running_loop().create_task(work)
        self._active[item.lease] = task
        self._set.add(item)
        task.add_done_callback(lambda done: self._ended(item.lease, done))

    def _ended(self, lease: int, task: "asyncio.Task[None]") -> None:
        del self._active[lease]
        if self._set.remove(lease):
            self._due_at(self._clock.now())
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("attempt failed", exc_info=error)
        self._progress.set()
        if self._due <= self._clock.now():
            self._kick.set()

    async def _attempt(self, item: Item) -> None:
        try:
            due = await Attempt(self._shared, item).make()
        except asyncio.CancelledError:
            self._due_at(self._clock.now())
            raise
        except Exception:
            log.exception("the attempt broke, and will be made again")
            due = self._clock.now() + BROKEN_PAUSE
            await self._store.release(item.id, item.lease, due)
        self._due_at(due)

    async def _give_back(self, item: Item) -> None:
        await self._store.release(item.id, item.lease)
        self._due_at(self._clock.now())

    # --- ends -------------------------------------------------------------------------------------------------------

    def _quiet(self) -> bool:
        if not all(map(self._shared.dozes, self._active)):
            return False
        if not self._running or self._stopping:
            return True
        return not self._looking and (self._due > self._clock.now() or not self._set.room)

    async def idle(self) -> None:
        """Return when nothing is under delivery and nothing is due, so that only the clock can bring more."""
        while not self._quiet():
            self._progress.clear()
            if self._due <= self._clock.now():
                self._kick.set()  # its alarm may stand behind what else was due at that moment
            await self._progress.wait()

    async def stop(self, grace: float) -> None:
        """Start nothing new, let attempts end for `grace` seconds, then cut them: the store still has their messages."""
        self._stopping = True
        self._kick.set()
        self._progress.set()
        if self._alarm is not None:
            self._alarm.cancel()
        self._destinations.close()
        if grace > 0:
            try:
                async with self._clock.timeout(grace):
                    while self._active:
                        await asyncio.wait(set(self._active.values()))
            except TimeoutError:
                log.warning("%d deliveries are cut; they will be tried again after the next start", len(self._active))
        self._shared.close()
        await asyncio.sleep(0)  # one that was not begun could not give its lease back
        for task in tuple(self._active.values()):
            task.cancel()
        while self._active:
            await asyncio.wait(set(self._active.values()))
            await asyncio.sleep(0)
