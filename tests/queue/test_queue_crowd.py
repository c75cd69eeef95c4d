"""Bounds and fairness: a slow destination holds up nobody else, and the active set stays bounded."""

import asyncio
from pathlib import Path

import pytest
from support.queue_world import until, world

from mailhub.queue.destinations import Crowded, Destinations
from mailhub.store.api import QueueFilter


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


async def test_turns_go_round_the_destinations() -> None:
    slots = Destinations(limit=1, each=1, places=100)
    order: list[str] = []

    async def deliver(name: str) -> None:
        async with slots.slot(name):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(deliver(name) for name in "aaaabbc"))
    assert "".join(order) == "aabcaba"
    assert slots.running == {}


async def test_a_destination_takes_half_of_what_is_free() -> None:
    slots = Destinations(limit=8, each=8, places=100)
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
    slots = Destinations(limit=1, each=1, places=4)
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
    slots = Destinations(limit=1, each=1, places=4)
    async with slots.slot("a"):
        first, second = (asyncio.ensure_future(_enter(slots, name)) for name in "ab")
        await asyncio.sleep(0)
    first.cancel()  # its turn has come; it has not run yet
    await second
    assert slots.running == {}


async def _enter(slots: Destinations, name: str) -> None:
    async with slots.slot(name):
        pass
