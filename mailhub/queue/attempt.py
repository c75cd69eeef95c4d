"""One attempt on one message: ask the router for each recipient, then either expand aliases or deliver; settle.

In comes a leased item, out goes its lease: with the last settling unit, or released where there was nothing to record.
What was delivered is recorded as soon as its job is done; deferrals and failures wait for the last job, so that the sender
gets one report for all of them. Neighbours to read: `manager` (who calls), `delivery.transport` (who is called).
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mailhub.delivery.router import Router
from mailhub.delivery.routes import Hold, Refuse, Relay, Route
from mailhub.delivery.transport import Job, Result, Transport
from mailhub.model import steps
from mailhub.model.address import domain_of
from mailhub.model.clock import Clock
from mailhub.model.envelope import Notify
from mailhub.model.errors import MailError, Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import Fate, Item, Outcome, QueuedRecipient, QueueStore, Settle
from mailhub.trace import Trace

from . import plan
from .active import ActiveSet
from .bounce import Bounces, wanted
from .destinations import Crowded, Destinations, Resting
from .notices import Notices
from .schedule import Schedule, expired
from .suppression import Suppressions
from .waits import Waits
from .words import CUT, WORDS, told

log = logging.getLogger("mailhub.queue")
_LOCAL, _RELAYED = logging.getLogger("mailhub.local"), logging.getLogger("mailhub.smtp")

TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
NO_TRANSPORT = Reply(451, "4.3.5", "Mail transport unavailable")
TOO_LATE = Reply(554, "5.4.7", "Delivery time expired (DELIVERBY)")
BROKEN_PAUSE = 300.0  # seconds until a message whose attempt broke is tried again
EXPIRED = "4.4.7"  # RFC 3463 section 3.5
_PAUSES = (1.0, 60.0)  # seconds, first and longest, before a unit that the store could not take is given again
_SLICE = 100  # recipients routed without a look at what else there is to do
_UNIT = 500  # recipients that one settling unit takes off the queue
_DONE = (Fate.DELIVERED, Fate.RELAYED)
_REPORTED = (Fate.FAILED, Fate.DEFERRED)


class Shared(Struct):
    """What all attempts of a manager share. `tick` is called when one begins to wait for the store."""

    store: QueueStore
    router: Router
    transports: Mapping[str, Transport]
    destinations: Destinations
    active: ActiveSet
    schedule: Schedule
    bounces: Bounces
    suppressions: Suppressions
    clock: Clock
    tick: Callable[[], object]
    trace: Trace
    notices: Notices
    closing: bool = False
    outcomes: Counter[str] = field(default_factory=Counter)  # of recipients, in the words of the trace, since the start
    waits: Waits = field(default_factory=Waits)
    pauses: dict[int, "asyncio.Future[None]"] = field(default_factory=dict)  # by lease

    def dozes(self, lease: int) -> bool:
        """Whether the attempt with that lease only waits for the clock."""
        pause = self.pauses.get(lease)
        return pause is not None and not pause.done()

    async def pause(self, lease: int, seconds: float) -> None:
        """Wait; `close` ends it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.clock.call_later(seconds, lambda: _ring(turn))
        self.pauses[lease] = turn
        self.tick()
        try:
            await turn
        finally:
            timer.cancel()
            self.pauses.pop(lease, None)

    def close(self) -> None:
        """Units that the store does not take now are given up: the next start finds their recipients as they were."""
        self.closing = True
        for turn in self.pauses.values():
            _ring(turn)


def _ring(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_result(None)


class Attempt:
    """`make()` once."""

    __slots__ = ("_began", "_crowded", "_due", "_item", "_jobs", "_open", "_recipients", "_rest", "_results", "_shared")

    def __init__(self, shared: Shared, item: Item) -> None:
        self._shared, self._item = shared, item
        self._began = shared.clock.now()
        self._recipients: dict[int, QueuedRecipient] = {}
        self._open = {
            recipient.n for recipient in item.recipients
        }  # those that stay, and may yet be replaced by others
        self._rest: list[Outcome] = []  # to be recorded with the last job
        self._results: dict[int, Result] = {}  # those that give birth to something
        self._crowded = False  # some recipients were not tried
        self._jobs = 0  # under way
        self._due = math.inf

    async def make(self) -> float:
        """Try all recipients of the item. When something that came of it is due in the store: inf for never."""
        again: float | None = None  # as before
        try:
            routed, nowhere = await self._route()
            hidden = self._shared.bounces.confidential
            if expanded := plan.expand(self._item, routed, self._began, hidden):
                self._rest = expanded  # nothing else: children first take their places, then all is delivered once
            else:
                self._rest = [self._outcome(result, "router") for result in nowhere]
                await self._deliver(plan.jobs(self._item, routed, hidden))
        except Exception:
            again = self._shared.clock.now() + BROKEN_PAUSE
            raise
        finally:
            await self._finish(again)
        return self._due

    async def _way(self, recipient: QueuedRecipient) -> Route:
        """As the router says, unless a table sent the whole message to a content filter (access(5), FILTER)."""
        if expired(self._item, self._shared.clock.now()):
            return Refuse(TOO_LATE)
        if self._item.filter and not steps.is_copy(recipient.path):
            return await self._shared.router.filtered(self._item.filter, recipient.address, recipient.path)
        return await self._shared.router.route(recipient.address, recipient.path, plan.sender_of(self._item, recipient))

    async def _let_go(self, recipient: QueuedRecipient, route: Route) -> Route:
        """The route, unless mail of our accounts is held back from that address."""
        if not isinstance(route, Relay):
            return route
        refusal = await self._shared.suppressions.refusal(self._item.origin.login, recipient.address)
        return route if refusal is None else Refuse(refusal)

    async def _route(self) -> tuple[list[plan.Routed], list[Result]]:
        """Recipients with their routes, and results for those that have none."""
        routed: list[plan.Routed] = []
        nowhere: list[Result] = []
        limits = self._shared.schedule.config
        for count, recipient in enumerate(self._item.recipients, 1):
            self._recipients[recipient.n] = recipient
            try:
                route = await self._let_go(recipient, await self._way(recipient))
            except MailError as error:
                log.warning("no route for %r now: %s", recipient.address, error)
                reply = error.reply if error.reply.temporary else TROUBLE
                nowhere.append(Result(recipient.n, Fate.DEFERRED, reply))
                continue
            route = plan.bounded(route, recipient, limits)
            if isinstance(route, Refuse):
                fate = Fate.FAILED if route.reply.permanent else Fate.DEFERRED
                nowhere.append(Result(recipient.n, fate, route.reply))
            elif isinstance(route, Hold):
                nowhere.append(Result(recipient.n, Fate.DEFERRED, route.reply, held=True))
            else:
                routed.append((recipient, route))
                if isinstance(route, Relay):
                    self._open.discard(recipient.n)
            if not count % _SLICE:
                await asyncio.sleep(0)
        return routed, nowhere

    # --- delivering -------------------------------------------------------------------------------------------------

    async def _deliver(self, jobs: Sequence[Job]) -> None:
        self._jobs = len(jobs)
        if len(jobs) == 1:
            await self._job(jobs[0])
        elif jobs:
            ends = await asyncio.gather(*map(self._job, jobs), return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException):
                    raise end

    async def _job(self, job: Job) -> None:
        shared = self._shared
        transport = shared.transports.get(job.transport)
        if transport is None:
            log.error("there is no transport %r", job.transport)
            results = [Result(recipient.n, Fate.DEFERRED, NO_TRANSPORT) for recipient in job.recipients]
        elif job.transport == "local":
            results = await self._call(transport, job)
        else:
            results = await self._in_turn(transport, job)
        self._jobs -= 1
        outcomes = [self._outcome(result, job.transport) for result in results]
        done = [o for o in outcomes if o.fate in _DONE]
        if done and self._jobs:
            self._rest += [o for o in outcomes if o.fate not in _DONE]
            await self._record(done, last=False)
        else:
            self._rest += outcomes

    async def _in_turn(self, transport: Transport, job: Job) -> list[Result]:
        """None where the line is too long. A destination that rests is not asked: what it said last is taken for its answer."""
        shared = self._shared
        for recipient in job.recipients:
            shared.active.learn(domain_of(recipient.address), job.destination)
        try:
            async with shared.destinations.slot(job.destination, job.transport) as slot:
                results = await self._call(transport, job)
                slot.learn(results)
                return results
        except Resting as rest:
            reply = replace(
                rest.reply, text=f"Not tried, for the destination was in trouble just now: {rest.reply.text}"
            )
            return [Result(recipient.n, Fate.DEFERRED, reply, rest.remote) for recipient in job.recipients]
        except Crowded:
            self._crowded = True
            return []

    async def _call(self, transport: Transport, job: Job) -> list[Result]:
        """A result for each recipient, whatever the transport does: what is unknown is temporary."""
        try:
            results = {result.n: result for result in await transport.deliver(job)}
        except asyncio.CancelledError:
            for recipient in job.recipients:
                self._shared.trace.attempted(self._item.id, recipient.address, CUT)
            raise
        except Exception:
            log.exception("transport %s failed", transport.name)
            results = {}
        return [results.get(r.n) or Result(r.n, Fate.DEFERRED, TROUBLE) for r in job.recipients]

    # --- outcomes ---------------------------------------------------------------------------------------------------

    def _outcome(self, result: Result, relay: str) -> Outcome:
        when = result.when or self._shared.clock.now()
        outcome = Outcome(result.n, result.fate, result.reply, result.remote, result.tls, when, filings=result.filings)
        if result.children:
            outcome = self._redirected(result, outcome)
        if result.births or result.marks or result.contents:
            self._results[result.n] = result
        if result.held:
            outcome = replace(outcome, held=True, due=self._began)
        elif result.fate == Fate.DEFERRED:
            outcome = self._deferred(outcome)
        recipient = self._recipients[result.n]
        delivered = _LOCAL if relay == "local" else _RELAYED
        if delivered.isEnabledFor(logging.INFO):
            waited, now = self._began - self._item.created, self._shared.clock.now()
            delivered.info("to=<%s>, relay=%s, delay=%.1f, delays=%.1f/0/0/%.1f, dsn=%s, status=%s (%s)", recipient.address,
                           result.remote or relay, now - self._item.created, max(waited, 0.0), max(now - self._began, 0.0),
                           outcome.reply.enhanced, WORDS[outcome.fate], outcome.reply.text)  # fmt: skip
        said = told(result, outcome, relay, self._shared.clock.now())
        self._shared.trace.attempted(self._item.id, self._recipients[result.n].address, said)
        return outcome

    def _redirected(self, result: Result, outcome: Outcome) -> Outcome:
        recipient = self._recipients[result.n]
        if recipient.depth >= self._shared.schedule.config.expansion_depth:
            return Outcome(result.n, Fate.FAILED, plan.TOO_DEEP)
        alone = len(result.children) == 1 and not result.filings
        return replace(outcome, due=self._began, children=plan.redirected(recipient, result.children, alone=alone))

    def _deferred(self, outcome: Outcome) -> Outcome:
        """When to try again; or, where this attempt began past the deadline, never."""
        item, schedule, recipient = self._item, self._shared.schedule, self._recipients[outcome.n]
        deadline = schedule.deadline(item, recipient.address)
        if self._began >= deadline:
            days = (self._began - item.created) / 86400
            who = f"{outcome.remote} said last" if outcome.remote else "the last trouble was"
            text = f"Delivery time expired after {days:.1f} days of trying; {who}: {outcome.reply}"
            return replace(outcome, fate=Fate.FAILED, reply=Reply(450, EXPIRED, text), remote="")
        now = self._shared.clock.now()
        late = schedule.is_late(now, item) and not recipient.warned and bool(plan.sender_of(item, recipient))
        return replace(
            outcome,
            due=schedule.next_due(now, recipient.attempts + 1, _next_word(item, now, deadline), recipient.address),
            warned=late and wanted(recipient.notify, Notify.DELAY),
        )

    # --- settling ---------------------------------------------------------------------------------------------------

    async def _finish(self, again: float | None) -> None:
        """Record the rest and give the lease back, also where the attempt was cancelled or broke. `again`: when what is left is due."""
        item, store = self._item, self._shared.store
        if self._crowded:  # no attempt: they are due as before, and leased when their destination is not busy any more
            self._due = self._began
        if self._rest:
            await self._record(self._rest, last=not self._crowded)
        await store.release(item.id, item.lease, again)

    async def _record(self, outcomes: Sequence[Outcome], *, last: bool) -> None:
        """Settle, whatever happens meanwhile: a cancellation is felt afterwards."""
        settling = asyncio.get_running_loop().create_task(self._settle(outcomes, last))
        cancelled = False
        while not settling.done():
            try:
                await asyncio.shield(settling)
            except asyncio.CancelledError:
                cancelled = True
        settling.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _settle(self, outcomes: Sequence[Outcome], last: bool) -> None:
        """In units of bounded size: what failed and what waits, and their reports, with the last one."""
        many = [o for o in outcomes if o.fate not in _REPORTED]
        rest = [o for o in outcomes if o.fate in _REPORTED]
        while len(many) > _UNIT:
            await self._unit(many[:_UNIT], last=False)
            del many[:_UNIT]
        await self._unit(many + rest, last)

    async def _unit(self, outcomes: Sequence[Outcome], last: bool) -> None:
        shared, item = self._shared, self._item
        born, learnt = await shared.bounces.born(item, outcomes), await shared.suppressions.learnt(item, outcomes)
        unit = self._with_births(Settle(item.id, item.lease, tuple(outcomes), born, last, learnt))
        unit = replace(unit, notices=shared.notices.of(item, outcomes))
        pause, longest = _PAUSES
        while True:
            try:
                await shared.store.settle(unit)
                break
            except Temporary as error:
                log.error("what became of the message cannot be recorded now: %s", error)
                if shared.closing:
                    return
                await shared.pause(item.lease, pause)
                pause = min(2 * pause, longest)
            except MailError as error:
                if not any(outcome.filings for outcome in unit.outcomes):
                    raise
                log.error("the mail cannot be filed: %s", error)
                outcomes = tuple(self._unfiled(outcome) for outcome in unit.outcomes)
                born, notices = await shared.bounces.born(item, outcomes), shared.notices.of(item, outcomes)
                unit = replace(unit, outcomes=outcomes, born=born, notices=notices)
                unit = self._with_births(unit)
        came_to = ["held" if one.held else WORDS[one.fate] for one in unit.outcomes]
        shared.outcomes.update(came_to)
        shared.waits.add(came_to.count("sent"), shared.clock.now() - item.created)
        if unit.notices:
            shared.notices.told()
        self._note_due(unit)
        self._open.difference_update(outcome.n for outcome in unit.outcomes if outcome.fate != Fate.DEFERRED)
        for outcome in unit.outcomes:
            if outcome.children:
                children = [child.address for child in outcome.children]
                shared.trace.expanded(item.id, self._recipients[outcome.n].address, children)
        for report in unit.born:
            shared.trace.reported(item.id, report.id, report.recipients[0].address)

    def _with_births(self, unit: Settle) -> Settle:
        """What Sieve scripts gave birth to, for those who leave the queue in this unit, and whom it has reached."""
        leaving = [self._results[o.n] for o in unit.outcomes if o.n in self._results and o.fate != Fate.DEFERRED]
        return replace(
            unit,
            contents=tuple(content for result in leaving for content in result.contents),
            births=tuple(birth for result in leaving for birth in result.births),
            marks=tuple(mark for result in leaving for mark in result.marks),
            reached=self._reached(unit.outcomes),
        )

    def _reached(self, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
        """Whom no alias leads to any more: of those who leave, where others stay that may turn out to be one. Nobody's loop is
        among them, nor an alias: what it stands for is known one by one."""
        leaving = [o for o in outcomes if o.fate != Fate.DEFERRED]
        if self._item.whole and self._open.issubset(o.n for o in leaving):
            return ()
        ends = [o for o in leaving if o.fate != Fate.EXPANDED or (o.n in self._results and self._results[o.n].births)]
        reached = [self._recipients[o.n] for o in ends if o.reply.enhanced != plan.TOO_DEEP.enhanced]
        return tuple(steps.name(recipient.address, recipient.path) for recipient in reached)

    def _unfiled(self, outcome: Outcome) -> Outcome:
        """The store will never take this filing as it is: try again later, and give up in time."""
        if not outcome.filings:
            return outcome
        return self._deferred(Outcome(outcome.n, Fate.DEFERRED, TROUBLE))

    def _note_due(self, unit: Settle) -> None:
        dues = [o.due for o in unit.outcomes if (o.fate in (Fate.DEFERRED, Fate.EXPANDED) or o.children) and not o.held]
        born = [*unit.born, *(birth.item for birth in unit.births)]
        self._due = min([self._due, *dues, *(one.due for one in born)])


def _next_word(item: Item, now: float, deadline: float) -> float:
    """The latest moment of the next attempt: the deadline, or when DELIVERBY wants the sender to be told."""
    by = item.parameters.deliver_by
    return min(deadline, by.until) if by is not None and now < by.until else deadline
