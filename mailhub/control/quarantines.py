"""The quarantine as an operator sees it, and what he may do to it. An owner's part of it is what is for his addresses."""

from collections.abc import Callable

from msgspec.structs import replace

from mailhub.model import ids
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.queue.quarantine import ALL
from mailhub.store.api import Act, Item, QueueFilter, QueueStore
from mailhub.trace import Trace

from . import quarantine_words as words
from .errors import ControlError
from .queue_words import QueueShow, Touched, Which
from .queues import Queues, number
from .routes import Routes

_STEP = 100  # messages of one step of an action


class Quarantines:
    """The actions on it. `queues` shows what is in the queue; after what makes something due, `wake` is called."""

    def __init__(
        self, store: QueueStore, clock: Clock, wake: Callable[[], object], queues: Queues, routes: Routes, trace: Trace
    ) -> None:
        self._store, self._clock, self._wake, self._queues, self._routes, self._trace = (
            store,
            clock,
            wake,
            queues,
            routes,
            trace,
        )

    async def page(self, request: words.QuarantineList) -> tuple[words.Quarantined, ...]:
        found, after = list[words.Quarantined](), request.after
        while len(found) < request.limit:
            items = await self._found(request.which, after, request.limit)
            found += [self._shown(item) for item in items if await self._concerns(item, request.account)]
            if len(items) < request.limit:
                break
            after = ids.text(items[-1].id)
        return tuple(found[: request.limit])

    async def show(self, request: words.QuarantineShow) -> words.QuarantineText:
        items = await self._found(Which(ids=(request.id,)), "", 1)
        if not items or not await self._concerns(items[0], request.account):
            raise ControlError("not_found", f"no message {request.id} in quarantine")
        text = await self._queues.show(QueueShow(id=request.id))
        return words.QuarantineText(quarantined=self._shown(items[0]), text=text)

    async def release(self, request: words.QuarantineRelease) -> Touched:
        touched = await self._act(Act.UNHOLD, request, "released from quarantine")
        self._wake()
        return touched

    async def delete(self, request: words.QuarantineDelete) -> Touched:
        return await self._act(Act.REMOVE, request, "deleted from quarantine")

    async def _act(self, act: Act, request: words.QuarantineRelease | words.QuarantineDelete, done: str) -> Touched:
        items = await self._found(request.which, request.after, _STEP)
        after = ids.text(items[-1].id) if len(items) == _STEP else ""
        numbers = tuple([item.id for item in items if await self._concerns(item, request.account)])
        if not numbers:
            if request.which.ids and not request.after:
                raise ControlError("not_found", f"not in quarantine: {', '.join(request.which.ids[:5])}")
            return Touched(messages=0, seen=len(items), after=after)
        step = await self._store.act(act, QueueFilter(ids=numbers, quarantined=True), self._clock.now())
        for one in numbers:
            self._trace.operator(one, done)
        return Touched(messages=step.touched, seen=len(items), after=after)

    async def _concerns(self, item: Item, account: str) -> bool:
        """Whether it is for the account, and for nobody else."""
        if not account:
            return True
        for recipient in item.recipients:
            if not await self._routes.belongs(recipient.address, key(account)):
                return False
        return True

    async def _found(self, which: Which, after: str, limit: int) -> list[Item]:
        asked = replace(self._queues.filter(which), quarantined=ALL.quarantined)
        return await self._store.page(asked, number(after) if after else 0, limit)

    def _shown(self, item: Item) -> words.Quarantined:
        found = tuple(
            words.Found(check=one.check, result=one.result, score=one.score, reason=one.reason)
            for one in item.verdict.evidence
        )
        return words.Quarantined(message=self._queues.message(item), score=item.verdict.score, found=found)
