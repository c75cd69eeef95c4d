"""Browsers that are signed in: found by their digest alone, within bounds, ended one by one, all others, or with their account."""

from typing import Any

import pytest
from msgspec.structs import replace

from mailhub.model.errors import NotFound
from mailhub.store.api import AccountRow, BrowserLimits, BrowserRow

ANN, BOB, EVE = "ann@a.test", "bob@a.test", "eve@a.test"
WIDE = BrowserLimits(100, 100, -1.0, -1.0)
ONE = BrowserRow("d1", "one", ANN, "stamp", 10.0, 10.0, 10.0, "192.0.2.1", "Firefox")


async def names(store: Any, account: str = ANN) -> list[str]:
    return [row.id for row in await store.browsers.of(account)]


async def test_one_is_found_used_and_confirmed(store: Any) -> None:
    browsers = store.browsers
    await browsers.put(ONE, WIDE)
    assert await browsers.found("d1") == ONE
    assert await browsers.found("D1") is None
    assert await browsers.found("") is None
    await browsers.use("d1", 30.0, "2001:db8::1", "Chromium 中")
    await browsers.use("d1", 20.0, "2001:db8::1", "Chromium 中")
    await browsers.confirm("d1", 25.0)
    used = replace(ONE, used=30.0, confirmed=25.0, client="2001:db8::1", agent="Chromium 中")
    assert await browsers.found("d1") == used
    await browsers.use("gone", 30.0, "", "")


async def test_they_are_ended(store: Any) -> None:
    for n in range(1, 5):
        await store.browsers.put(replace(ONE, digest=f"d{n}", id=f"{n}", used=float(n % 3)), WIDE)
    await store.browsers.put(replace(ONE, digest="b1", id="b", account=BOB), WIDE)
    assert await names(store) == ["2", "4", "1", "3"]
    with pytest.raises(NotFound):
        await store.browsers.end_one(BOB, "1")
    await store.browsers.end_one(ANN, "1")
    await store.browsers.end("d2")
    await store.browsers.end("d2")
    assert await names(store) == ["4", "3"]
    assert await store.browsers.end_others(ANN, "d3") == 1
    assert await names(store) == ["3"]
    assert await names(store, BOB) == ["b"]


async def test_those_longest_unused_make_room(store: Any) -> None:
    limits = BrowserLimits(2, 3, -1.0, -1.0)
    for n, (account, used) in enumerate([(ANN, 5.0), (ANN, 1.0), (ANN, 3.0), (BOB, 2.0), (BOB, 4.0), (BOB, 6.0)]):
        await store.browsers.put(replace(ONE, digest=f"d{n}", id=f"{n}", account=account, used=used), limits)
    assert (await names(store), await names(store, BOB)) == (["0"], ["5", "4"])


async def test_room_is_made_by_whoever_has_most(store: Any) -> None:
    limits = BrowserLimits(9, 5, -1.0, -1.0)
    for n, (account, used) in enumerate([(BOB, 1.0), (ANN, 20.0), (ANN, 10.0), (ANN, 30.0), (EVE, 2.0)]):
        await store.browsers.put(replace(ONE, digest=f"d{n}", id=f"{n}", account=account, used=used), limits)
    await store.browsers.put(replace(ONE, digest="d5", id="5", account=EVE, used=40.0), limits)
    assert [await names(store, who) for who in (BOB, ANN, EVE)] == [["0"], ["3", "1"], ["5", "4"]]
    await store.browsers.put(replace(ONE, digest="d6", id="6", account=BOB, used=40.0), limits)
    assert [await names(store, who) for who in (BOB, ANN, EVE)] == [["6", "0"], ["3", "1"], ["5"]]


async def test_no_administrator_makes_room(store: Any) -> None:
    limits = BrowserLimits(9, 3, -1.0, -1.0, kept=(ANN,))
    for n, (account, used) in enumerate([(ANN, 1.0), (ANN, 2.0), (BOB, 3.0), (EVE, 4.0)]):
        await store.browsers.put(replace(ONE, digest=f"d{n}", id=f"{n}", account=account, used=used), limits)
    assert [await names(store, who) for who in (ANN, BOB, EVE)] == [["1", "0"], [], ["3"]]
    for n in (4, 5):
        await store.browsers.put(replace(ONE, digest=f"d{n}", id=f"{n}", used=5.0), limits)
    assert [await names(store, who) for who in (ANN, BOB, EVE)] == [["5", "4", "1", "0"], [], []], (
        "theirs is the other bound"
    )


async def test_what_is_over_goes_with_the_next(store: Any) -> None:
    for n, (created, used) in enumerate([(1.0, 50.0), (20.0, 30.0), (20.0, 50.0)]):
        await store.browsers.put(replace(ONE, digest=f"d{n}", id=f"{n}", created=created, used=used), WIDE)
    last = replace(ONE, digest="d9", id="9", created=60.0, used=60.0)
    await store.browsers.put(last, BrowserLimits(100, 100, unused=40.0, begun=10.0))
    assert await names(store) == ["9", "2"]


async def test_they_end_when_their_account_is_disabled(store: Any) -> None:
    for account in (ANN, BOB):
        await store.directory.put_account(AccountRow(account, ""))
        await store.browsers.put(replace(ONE, digest=account, account=account), WIDE)
    await store.directory.set_enabled(ANN, True)
    assert await names(store) == ["one"]
    await store.directory.set_enabled(ANN, False)
    await store.directory.set_enabled(ANN, True)
    assert (await names(store), await names(store, BOB)) == ([], ["one"])
    with pytest.raises(NotFound):
        await store.directory.set_enabled("nobody@a.test", False)


async def test_they_go_with_their_account(store: Any) -> None:
    await store.directory.put_account(AccountRow(ANN, ""))
    await store.browsers.put(ONE, WIDE)
    await store.directory.delete_account(ANN)
    assert await store.browsers.found("d1") is None
