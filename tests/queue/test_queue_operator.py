"""What an operator does to the queue, beside its running manager."""

import asyncio
from pathlib import Path

from support.queue_world import LATER, TAKEN, World, world

from mailhub.store.api import Act, QueueFilter, State

ALL = QueueFilter()


async def states(w: World) -> list[State]:
    return [recipient.state for item in await w.queued() for recipient in item.recipients]


async def test_held_mail_waits_until_it_is_released(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.manager.idle()
        assert await w.queue.act_on_all(Act.HOLD, ALL, w.clock.now()) == 1
        w.manager.wake()
        w.hosts.says = {"far.test": TAKEN}
        await w.clock.advance(86400)
        await w.manager.flush()
        await w.manager.idle()
        assert await states(w) == [State.HOLD]
        assert await w.queue.act_on_all(Act.UNHOLD, ALL, w.clock.now()) == 1
        w.manager.wake()
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]


async def test_mail_under_delivery_is_held_when_it_is_deferred(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        gate = w.hosts.hangs["far.test"] = asyncio.Event()
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.hosts.begun.wait()
        assert await w.queue.act_on_all(Act.HOLD, ALL, w.clock.now()) == 1
        gate.set()
        await w.manager.idle()
        assert await states(w) == [State.HOLD]


async def test_mail_under_delivery_is_not_removed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        gate = w.hosts.hangs["far.test"] = asyncio.Event()
        await w.put("x@far.test")
        await w.hosts.begun.wait()
        assert await states(w) == [State.ACTIVE]
        assert await w.queue.act_on_all(Act.REMOVE, ALL, w.clock.now()) == 0
        gate.set()
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]


async def test_retry_makes_due_what_is_chosen(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER, "near.test": LATER}
        await w.put("x@far.test")
        await w.put("y@near.test")
        await w.manager.idle()
        w.hosts.says = {}
        assert await w.queue.act_on_all(Act.RETRY, QueueFilter(recipient="@near.test"), w.clock.now()) == 1
        w.manager.wake()
        await w.manager.idle()
        assert w.hosts.addresses() == ["y@near.test"]
        assert await w.queue.act_on_all(Act.REMOVE, ALL, w.clock.now()) == 1
        assert await w.queued() == []


async def test_each_attempt_routes_anew(tmp_path: Path) -> None:
    """So that requeue is no more than release and retry."""
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.manager.idle()
        await w.directory.add_domain("far.test")
        await w.directory.set_alias("@far.test", ["alice@mailhub.test"])
        await w.queue.act_on_all(Act.RETRY, ALL, w.clock.now())
        w.manager.wake()
        await w.manager.idle()
        assert len(await w.mail("alice@mailhub.test")) == 1
        assert await w.queued() == []


async def test_other_bounds_hold_from_the_next_attempt_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.configure(type(w.config)(retry=(50.0,), jitter=0.0))
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.clock.advance(100)
        assert len(w.hosts.calls) == 3
