"""The suppression list: refusals are counted in settling units, success begins anew, time and size are bounded."""

import contextlib
from typing import Any

import pytest
from msgspec.structs import replace

from mailhub.model.errors import NotFound, Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import (
    Body,
    Fate,
    HardBounce,
    Memory,
    NewContent,
    NewItem,
    NewRecipient,
    Outcome,
    Settle,
    SuppressionRow,
)

DAY = 86_400.0
RULES = Memory((), (), after=3, within=30 * DAY, seconds=30 * DAY, limit=5)
GONE = Reply(550, "5.1.1", "No such user")


async def learn(store: Any, *refused: tuple[str, float], well: tuple[str, ...] = ()) -> Settle:
    number = store.queue.new_id()
    item = NewItem(number, NewContent(number, b"", Body(1, b"x")), "a@b.test", (NewRecipient(0, "c@d.test"),), 0, 0)
    lease = (await store.queue.put(item)).lease
    bounces = tuple(HardBounce(address, at, "mx.d.test[192.0.2.1]", str(GONE)) for address, at in refused)
    unit = Settle(number, lease, (Outcome(0, Fate.FAILED, GONE),), memory=replace(RULES, refused=bounces, well=well))
    await store.queue.settle(unit)
    return unit


async def held(store: Any, address: str, now: float) -> bool:
    row = await store.suppressions.find(address)
    return row is not None and (row.until is None or row.until > now)


async def test_three_refusals_in_the_window_hold_an_address_back(store: Any) -> None:
    await learn(store, ("c@d.test", DAY))
    await learn(store, ("c@d.test", 2 * DAY))
    assert not await held(store, "c@d.test", 2 * DAY)
    await learn(store, ("c@d.test", 3 * DAY))
    assert await held(store, "c@d.test", 3 * DAY)
    assert not await held(store, "c@d.test", 33 * DAY)
    row = await store.suppressions.find("c@d.test")
    assert row is not None
    assert [one.at for one in row.history] == [DAY, 2 * DAY, 3 * DAY]
    assert row.history[0].reply == "550 5.1.1 No such user"


async def test_who_was_asked_for_before_is_found_once_he_is_on_it(store: Any) -> None:
    assert not await held(store, "asked@d.test", 0)
    await learn(store, ("asked@d.test", DAY), ("asked@d.test", DAY), ("asked@d.test", DAY))
    assert await held(store, "asked@d.test", DAY)
    assert not await held(store, "named@d.test", 0)
    await store.suppressions.put(SuppressionRow("named@d.test", "operator", None))
    assert await held(store, "named@d.test", DAY)
    await store.suppressions.remove("named@d.test")
    assert not await held(store, "named@d.test", DAY)


async def test_refusals_that_lie_apart_do_not_add_up(store: Any) -> None:
    for day in (1, 20, 40, 65):
        await learn(store, ("c@d.test", day * DAY))
        assert not await held(store, "c@d.test", day * DAY)


async def test_success_begins_anew_but_not_for_the_operators(store: Any) -> None:
    await learn(store, ("c@d.test", DAY))
    await learn(store, ("c@d.test", 2 * DAY))
    await store.suppressions.put(SuppressionRow("never@d.test", "operator", None, note="asked us"))
    await learn(store, well=("c@d.test", "never@d.test"))
    assert await store.suppressions.find("c@d.test") is None
    assert await held(store, "never@d.test", 1e12)
    await learn(store, ("never@d.test", DAY))
    row = await store.suppressions.find("never@d.test")
    assert row is not None
    assert (row.source, row.until, row.note, row.history) == ("operator", None, "asked us", ())


async def test_the_table_is_bounded_and_forgets_what_was_silent_longest(store: Any) -> None:
    await store.suppressions.put(SuppressionRow("kept@d.test", "operator", None))
    for n in range(20):
        await learn(store, (f"u{n:02}@d.test", DAY + n))
    names = [row.address for row in await store.suppressions.page()]
    assert names == ["kept@d.test", "u16@d.test", "u17@d.test", "u18@d.test", "u19@d.test"]
    await learn(store, ("late@d.test", 90 * DAY))
    assert [row.address for row in await store.suppressions.page()] == ["kept@d.test", "late@d.test"]


async def test_a_unit_that_comes_twice_counts_once(store: Any) -> None:
    unit = await learn(store, ("c@d.test", DAY))
    with contextlib.suppress(Temporary):  # the lease is gone with the first time
        await store.queue.settle(unit)
    row = await store.suppressions.find("c@d.test")
    assert row is not None
    assert len(row.history) == 1


async def test_pages_and_removal(store: Any) -> None:
    await learn(store, ("c@d.test", DAY), ("b@d.test", DAY))
    assert [row.address for row in await store.suppressions.page(limit=1)] == ["b@d.test"]
    assert [row.address for row in await store.suppressions.page(after="b@d.test")] == ["c@d.test"]
    await store.suppressions.remove("b@d.test")
    with pytest.raises(NotFound):
        await store.suppressions.remove("b@d.test")
