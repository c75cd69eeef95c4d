"""One attempt on one message: route each recipient, deliver by jobs, settle each job in one unit."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mailhub.config import schema
from mailhub.delivery.router import Router
from mailhub.delivery.routes import Expand, Local, Refuse, Relay
from mailhub.delivery.transport import Job, JobRecipient, Result, Transport
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import Fate, Item, NewRecipient, Outcome, QueuedRecipient, QueueStore, Settle

from .bounce import Bounces
from .destinations import Destinations
from .schedule import Schedule

log = logging.getLogger("mailhub.queue")
EXPANDED = Reply(250, "2.1.5", "Expanded")
TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
TOO_DEEP = Reply(554, "5.4.6", "Aliases are nested too deeply")
TOO_WIDE = Reply(554, "5.3.4", "The alias expands to too many addresses")
_SETTLE_PAUSE = 1.0  # seconds before a unit that the store could not take is given to it again


@dataclass(frozen=True, slots=True)
class Attempts:
    """What all attempts share."""

    store: QueueStore
    router: Router
    transports: Mapping[str, Transport]
    destinations: Destinations
    schedule: Schedule
    bounces: Bounces
    config: schema.Queue
    clock: Clock

    async def make(self, item: Item) -> None:
        """Try all recipients of a leased item; when this returns the lease is given back."""
        ways: dict[tuple[str, str], list[JobRecipient]] = {}
        decided: list[Outcome] = []
        number = 1 + max(recipient.n for recipient in item.recipients)
        for recipient in item.recipients:
            route = await self._route(item, recipient)
            if isinstance(route, Outcome):
                if route.children:
                    route = replace(route, children=_numbered(route.children, number))
                    number += len(route.children)
                decided.append(route)
                continue
            way = ("local", "") if isinstance(route, Local) else ("relay", route.nexthop)
            ways.setdefault(way, []).append(
                JobRecipient(
                    n=recipient.n,
                    address=recipient.address,
                    notify=recipient.notify,
                    orcpt=recipient.orcpt,
                    path=recipient.path,
                    local=route if isinstance(route, Local) else None,
                )
            )
        parts = len(ways) + bool(decided)
        remaining = _Countdown(parts)
        if decided:
            await self._settle(item, decided, remaining)
        jobs = [self._job(item, name, nexthop, found, remaining) for (name, nexthop), found in ways.items()]
        if len(jobs) == 1:
            await jobs[0]
        elif jobs:
            await asyncio.gather(*jobs)

    async def _route(self, item: Item, recipient: QueuedRecipient) -> Local | Relay | Outcome:
        try:
            route = await self.router.route(recipient.address, recipient.path)
        except MailError as error:
            log.warning("%s: to %r: cannot be routed now: %s", ids.text(item.id), recipient.address, error)
            return self._deferred(item, recipient, error.reply if error.reply.temporary else TROUBLE, "")
        if isinstance(route, Refuse):
            return Outcome(recipient.n, Fate.FAILED, route.reply)
        if isinstance(route, Expand):
            return self._expanded(recipient, route)
        return route

    def _expanded(self, recipient: QueuedRecipient, route: Expand) -> Outcome:
        if recipient.depth >= self.config.expansion_depth:
            return Outcome(recipient.n, Fate.FAILED, TOO_DEEP)
        if len(route.targets) > self.config.expansion_limit:
            return Outcome(recipient.n, Fate.FAILED, TOO_WIDE)
        path = (*recipient.path, recipient.address)
        # ORCPT and NOTIFY go along (RFC 3461 section 5.2.7)
        children = tuple(
            NewRecipient(0, target, recipient.orcpt or f"rfc822;{recipient.address}", recipient.notify,
                         recipient.depth + 1, recipient.n, path)
            for target in dict.fromkeys(route.targets)
        )  # fmt: skip
        return Outcome(recipient.n, Fate.EXPANDED, EXPANDED, due=self.clock.now(), children=children)

    async def _job(
        self, item: Item, name: str, nexthop: str, recipients: Sequence[JobRecipient], remaining: "_Countdown"
    ) -> None:
        job = Job(
            queue_id=item.id,
            sender=item.sender,
            content=item.content,
            recipients=tuple(recipients),
            created=item.created,
            nexthop=nexthop,
            envid=item.envid,
            ret=item.ret,
            smtputf8=item.smtputf8,
            body=item.body,
            origin=item.origin,
        )
        async with self.destinations.slot(nexthop or name):
            results = await self._deliver(self.transports[name], job)
            # from here on a cancellation must not come between what was done and its record
            outcomes = [self._outcome(item, result) for result in results]
            await asyncio.shield(self._settle(item, outcomes, remaining))

    async def _deliver(self, transport: Transport, job: Job) -> list[Result]:
        try:
            results = {result.n: result for result in await transport.deliver(job)}
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: transport %s failed", ids.text(job.queue_id), transport.name)
            results = {}
        return [results.get(r.n) or Result(r.n, Fate.DEFERRED, TROUBLE) for r in job.recipients]

    def _outcome(self, item: Item, result: Result) -> Outcome:
        recipient = next(r for r in item.recipients if r.n == result.n)
        _log_result(item, recipient, result)
        if result.fate == Fate.DEFERRED:
            return self._deferred(item, recipient, result.reply, result.remote)
        return Outcome(result.n, result.fate, result.reply, result.remote, filings=result.filings)

    def _deferred(self, item: Item, recipient: QueuedRecipient, reply: Reply, remote: str) -> Outcome:
        now = self.clock.now()
        if self.schedule.expired(now, item.created, item.sender):
            given_up = Reply(554, "5.4.7", f"Delivery time expired; the last trouble was: {reply}")
            return Outcome(recipient.n, Fate.FAILED, given_up, remote)
        due = self.schedule.next_due(now, recipient.attempts + 1)
        warned = not recipient.warned and bool(item.sender) and self.schedule.warn(now, item.created)
        return Outcome(recipient.n, Fate.DEFERRED, reply, remote, due, warned)

    async def _settle(self, item: Item, outcomes: Sequence[Outcome], remaining: "_Countdown") -> None:
        outcomes = _joined(outcomes)
        born = await self.bounces.born(item, outcomes)
        unit = Settle(item.id, item.lease, tuple(outcomes), born, last=remaining.is_last())
        while True:
            try:
                await self.store.settle(unit)
                return
            except Temporary as error:
                log.error("%s: the outcome cannot be recorded yet: %s", ids.text(item.id), error)
                await self.clock.sleep(_SETTLE_PAUSE)


class _Countdown:
    """Tells the last of several settlings that it is the last."""

    def __init__(self, count: int) -> None:
        self._count = count

    def is_last(self) -> bool:
        self._count -= 1
        return self._count == 0


def _numbered(children: Sequence[NewRecipient], first: int) -> tuple[NewRecipient, ...]:
    return tuple(replace(child, n=first + k) for k, child in enumerate(children))


def _joined(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One message goes once to each address that several aliases of it lead to."""
    seen: set[str] = set()
    out = []
    for outcome in outcomes:
        kept = []
        for child in outcome.children:
            if child.address.lower() not in seen:
                seen.add(child.address.lower())
                kept.append(child)
        out.append(replace(outcome, children=tuple(kept)) if outcome.children else outcome)
    return out


def _log_result(item: Item, recipient: QueuedRecipient, result: Result) -> None:
    words = {Fate.DELIVERED: "sent", Fate.RELAYED: "sent", Fate.DEFERRED: "deferred", Fate.FAILED: "bounced"}
    log.info("%s: to=<%s>, relay=%s, dsn=%s, status=%s (%r)", ids.text(item.id), recipient.address,
             result.remote or "local", result.reply.enhanced, words[result.fate], str(result.reply))  # fmt: skip
