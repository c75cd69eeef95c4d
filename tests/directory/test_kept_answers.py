"""Answers of a database, on a clock that stands still until it is told to move."""

import asyncio

import pytest

from mailhub.config.schema import Directory as Section
from mailhub.directory.outside.kept import Kept
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary

CONFIG = Section(cache_seconds=60.0, negative_seconds=5.0, stale_seconds=3600.0, cache_limit=2)


class World:
    """Who is there, and whether anybody answers."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.there, self.asked, self.away = {"ann", "bob"}, [""], False
        self.kept: Kept[bool] = Kept(CONFIG, self.clock, bool)

    async def get(self, name: str) -> bool:
        return await self.kept.get(name, self._ask)

    async def _ask(self, name: str) -> bool:
        self.asked.append(name)
        await asyncio.sleep(0)
        if self.away:
            raise Temporary("away")
        return name in self.there


async def test_a_yes_is_believed_for_long_and_a_no_for_a_short_while() -> None:
    world = World()
    for seconds, asked in ((0.0, ["ann", "eve"]), (4.0, []), (1.0, ["eve"]), (54.0, ["eve"]), (1.0, ["ann"])):
        await world.clock.advance(seconds)
        world.asked.clear()
        assert (await world.get("ann"), await world.get("eve")) == (True, False)
        assert world.asked == asked


async def test_who_was_there_is_there_while_nobody_answers() -> None:
    world = World()
    assert (await world.get("ann"), await world.get("eve")) == (True, False)
    world.away = True
    await world.clock.advance(3599.0)
    assert await world.get("ann")
    for name in ("eve", "bob"):
        with pytest.raises(Temporary):
            await world.get(name)
    await world.clock.advance(1.0)
    with pytest.raises(Temporary):
        await world.get("ann")
    world.away = False
    world.there.remove("ann")
    assert not await world.get("ann")
    world.away = True
    await world.clock.advance(5.0)
    with pytest.raises(Temporary):  # gone for good
        await world.get("ann")


async def test_strangers_push_nobody_out() -> None:
    world = World()
    assert await world.get("ann")
    for number in range(100):
        assert not await world.get(f"stranger{number}")
    world.asked.clear()
    assert await world.get("ann")
    assert world.asked == []
    assert await world.get("bob")
    world.there.add("cy")
    assert await world.get("cy")
    assert len(world.kept) == 2  # the one longest unused went


async def test_one_question_serves_all_who_ask_meanwhile() -> None:
    world = World()
    world.asked.clear()
    gone = asyncio.create_task(world.get("ann"))
    others = [asyncio.create_task(world.get("ann")) for _ in range(10)]
    await asyncio.sleep(0)
    gone.cancel()
    assert await asyncio.gather(*others) == [True] * 10
    assert world.asked == ["ann"]
