"""Bounds and fairness: a slow destination holds up nobody else, and the active set stays bounded."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from support.queue_world import until, world

from mailhub.config.schema import Destination, Queue
from mailhub.delivery.transport import Result
from mailhub.model.clock import VirtualClock
from mailhub.model.reply import Reply
from mailhub.queue.destinations import Crowded, Destinations, Resting
from mailhub.store.api import Fate, QueueFilter


async def test_a_slow_destination_does_not_hold_up_another(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=8, destination_concurrency=3, active_limit=40) as w:
        gate = w.hosts.hangs["slow.test"] = asyncio.Event()
        for n in range(100):
            await w.put(f"u{n}@slow.test")
        await w.put("x@fast.test", "alice@mailhub.test")
        await until(lambda: "x@fast.test" in w.hosts.addresses())
        await until(lambda: w.mail("alice@mailhub.test"))
        assert w.manager.destinations == {"slow.test": 3}
        assert w.manager.active < 40
        del w.hosts.hangs["slow.test"]
        gate.set()
        await w.manager.idle()
        await w.clock.advance(3600)
        assert sorted(w.hosts.addresses()) == sorted([f"u{n}@slow.test" for n in range(100)] + ["x@fast.test"])
        assert await w.queued() == []


async def test_those_who_found_the_line_too_long_are_not_counted_as_tried(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=4, destination_concurrency=1, active_limit=4) as w:
        gate = w.hosts.hangs["slow.test"] = asyncio.Event()
        for n in range(10):
            await w.put(f"u{n}@slow.test")
        await w.hosts.begun.wait()
        for _ in range(1000):
            await asyncio.sleep(0)
        items = await w.queued()
        assert len(items) == 10
        assert {r.attempts for item in items for r in item.recipients} == {0}
        gate.set()
        await w.manager.idle()
        await w.clock.advance(3600)
        assert len(w.hosts.taken) == 10


async def test_deliveries_are_bounded_in_all(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=5, destination_concurrency=5) as w:
        gates = [w.hosts.hangs.setdefault(f"d{n}.test", asyncio.Event()) for n in range(20)]
        for n in range(20):
            await w.put(f"x@d{n}.test")
        await until(lambda: w.hosts.running == 5)
        for _ in range(100):
            await asyncio.sleep(0)
        assert w.hosts.most == 5
        for gate in gates:
            gate.set()
        await w.manager.idle()
        assert len(w.hosts.taken) == 20
        assert w.hosts.most == 5


async def test_more_than_the_active_set_holds_is_delivered_in_pages(tmp_path: Path) -> None:
    async with world(tmp_path, active_limit=3) as w:
        numbers = await asyncio.gather(*(w.put("alice@mailhub.test") for _ in range(50)))
        await w.manager.idle()
        assert len(set(numbers)) == 50
        assert len(await w.mail("alice@mailhub.test")) == 50


async def test_one_message_to_many_destinations_settles_what_is_done(tmp_path: Path) -> None:
    """What was relayed is recorded though another of its destinations hangs: a crash does not relay it again."""
    async with world(tmp_path) as w:
        gate = w.hosts.hangs["slow.test"] = asyncio.Event()
        await w.put("x@slow.test", "y@fast.test", "alice@mailhub.test")

        async def only_the_slow_one_is_left() -> bool:
            return [r.address for item in await w.queued() for r in item.recipients] == ["x@slow.test"]

        await until(only_the_slow_one_is_left)
        gate.set()
        await w.manager.idle()
        assert await w.queue.page(QueueFilter()) == []


def slots_for(clock: VirtualClock | None = None, **settings: object) -> Destinations:
    settings = {"destination_concurrency_start": 20} | settings
    return Destinations(msgspec.structs.replace(Queue(), **settings), clock or VirtualClock())


async def test_turns_go_round_the_destinations() -> None:
    slots = slots_for(concurrency=1, destination_concurrency=1)
    order: list[str] = []

    async def deliver(name: str) -> None:
        async with slots.slot(name):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(deliver(name) for name in "aaaabbc"))
    assert "".join(order) == "aabcaba"
    assert slots.running == {}


async def test_a_transport_may_have_a_limit_of_its_own() -> None:
    slots = Destinations(msgspec.structs.replace(Queue(), transport_concurrency=3), VirtualClock(), {"prog": 2})
    held = asyncio.Event()

    async def deliver(name: str, transport: str) -> None:
        async with slots.slot(name, transport):
            await held.wait()

    deliveries = [deliver(f"{transport}:{n}", transport) for transport in ("prog", "relay") for n in range(5)]
    tasks = [asyncio.ensure_future(delivery) for delivery in deliveries]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(name.partition(":")[0] for name in slots.running) == ["prog"] * 2 + ["relay"] * 3
    held.set()
    await asyncio.gather(*tasks)


async def test_a_destination_takes_half_of_what_is_free() -> None:
    slots = slots_for(concurrency=8, destination_concurrency=8)
    held = asyncio.Event()

    async def deliver(name: str) -> None:
        async with slots.slot(name):
            await held.wait()

    tasks = [asyncio.ensure_future(deliver(name)) for name in ["a"] * 8 + ["b"] * 8 + ["c"] * 8]
    for _ in range(5):
        await asyncio.sleep(0)
    assert slots.running == {"a": 3, "b": 2, "c": 1}  # and a fourth destination would find room too
    held.set()
    await asyncio.gather(*tasks)
    assert slots.running == {}


async def test_a_line_is_bounded_and_one_who_leaves_it_loses_nothing() -> None:
    slots = slots_for(concurrency=1, destination_concurrency=1, active_limit=4)
    async with slots.slot("a"):
        first, second, third = (asyncio.ensure_future(_enter(slots, "a")) for _ in range(3))
        await asyncio.sleep(0)
        assert isinstance(third.exception(), Crowded)
        first.cancel()
        await asyncio.sleep(0)
    await second
    assert slots.running == {}
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_one_whose_turn_came_and_who_leaves_gives_it_back() -> None:
    slots = slots_for(concurrency=1, destination_concurrency=1, active_limit=4)
    async with slots.slot("a"):
        first, second = (asyncio.ensure_future(_enter(slots, name)) for name in "ab")
        await asyncio.sleep(0)
    first.cancel()  # its turn has come; it has not run yet
    await second
    assert slots.running == {}


async def _enter(slots: Destinations, name: str) -> None:
    async with slots.slot(name):
        pass


# --- what deliveries teach ------------------------------------------------------------------------------------------

WELL = [Result(0, Fate.RELAYED, Reply(250, "2.0.0", "Ok"))]
REFUSED = [Result(0, Fate.FAILED, Reply(550, "5.1.1", "No such user"))]
GREYLISTED = [Result(0, Fate.DEFERRED, Reply(451, "4.7.1", "Later"), "mx.a[192.0.2.1]")]
SILENT = [Result(0, Fate.DEFERRED, Reply(451, "4.4.1", "No answer"))]


async def deliver(slots: Destinations, results: list[Result], name: str = "a", transport: str = "relay") -> None:
    async with slots.slot(name, transport) as slot:
        slot.learn(results)


async def window(slots: Destinations, name: str = "a", transport: str = "relay") -> int:
    """How many deliveries run when many want to."""
    held = asyncio.Event()

    async def hold() -> None:
        async with slots.slot(name, transport):
            await held.wait()

    tasks = [asyncio.ensure_future(hold()) for _ in range(30)]
    for _ in range(5):
        await asyncio.sleep(0)
    running = slots.running.get(name, 0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return running


@pytest.mark.parametrize("good", [WELL, REFUSED, GREYLISTED])
async def test_a_destination_grows_by_one_with_each_round_that_is_answered(good: list[Result]) -> None:
    slots = slots_for(destination_concurrency_start=2, destination_concurrency=4)
    assert await window(slots) == 2
    for expected in (2, 3, 3, 3, 4, 4, 4, 4, 4, 4):
        await deliver(slots, good)
        assert await window(slots) == expected


async def test_a_destination_in_trouble_shrinks_then_rests_and_is_probed() -> None:
    clock = VirtualClock()
    slots = slots_for(clock, destination_concurrency_start=3, destination_pause=60.0)
    for results in (SILENT, SILENT, WELL, SILENT, SILENT):
        assert await window(slots) == 3
        await deliver(slots, results)
    assert await window(slots) == 2
    await deliver(slots, SILENT)
    with pytest.raises(Resting, match="No answer"):
        await deliver(slots, WELL)
    await deliver(slots, WELL, "b")  # nobody else is concerned
    await clock.advance(59)
    with pytest.raises(Resting):
        await deliver(slots, WELL)
    await clock.advance(1)
    assert await window(slots) == 1  # the probe
    await deliver(slots, SILENT)
    await clock.advance(119)
    with pytest.raises(Resting):
        await deliver(slots, WELL)
    await clock.advance(1)
    await deliver(slots, WELL)
    assert await window(slots) == 3


async def test_those_who_wait_are_told_when_their_destination_goes_to_rest() -> None:
    slots = slots_for(destination_concurrency_start=1)
    async with slots.slot("a") as slot:
        second = asyncio.ensure_future(_enter(slots, "a"))
        await asyncio.sleep(0)
        slot.learn(SILENT)
    with pytest.raises(Resting):
        await second
    assert slots.running == {}


async def test_an_operator_ends_a_rest() -> None:
    slots = slots_for(destination_concurrency_start=1)
    await deliver(slots, SILENT)
    with pytest.raises(Resting):
        await deliver(slots, WELL)
    slots.forgive()
    await deliver(slots, WELL)


async def test_bounds_by_transport_and_by_domain() -> None:
    entries = (Destination(domain="a.test", concurrency=2), Destination(domain=".b.test", concurrency=3))
    slots = slots_for(transport_concurrency=6, destination=entries)
    assert await window(slots, "a.test") == 2
    assert await window(slots, "x.b.test") == 3
    assert await window(slots, "b.test") == 6  # ".b.test": all below it


async def test_what_is_remembered_of_destinations_is_bounded() -> None:
    slots = slots_for()
    for n in range(12_000):
        await deliver(slots, WELL, f"d{n}")
    assert len(slots._known) <= 10_001
