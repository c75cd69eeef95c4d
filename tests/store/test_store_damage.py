"""Damage in one message is set aside with a line in the log, and never stops the rest."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config.schema import Store as StoreConfig
from mailhub.model import ids
from mailhub.model.clock import VirtualClock
from mailhub.store.api import Act, Item, NewContent, NewItem, NewRecipient, QueueFilter, State
from mailhub.store.sqlite import SqliteStore

CLOCK = VirtualClock()
EVERYTHING = QueueFilter()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, StoreConfig(free_space_floor=0, inline_limit=100), CLOCK, "mx.test")
    await store.open()
    yield store
    await store.close()


async def put(store: SqliteStore, address: str, size: int) -> Item:
    number = store.queue.new_id()
    writer = store.queue.body_writer()
    writer.feed(b"x" * size)
    content = NewContent(number, b"P: 1\r\n", await writer.finish())
    now = CLOCK.now()
    return await store.queue.put(
        NewItem(number, content, "a@b.test", (NewRecipient(0, address),), now, now, in_line=True)
    )


# What is done to the damaged message: SQL with its id, or to its spool file.
DAMAGE = {
    "item row missing": "delete from item where id = ?",
    "content row missing": "delete from content where id = ?",
    "body missing": "update content set body = null where id = ?",
    "body cut short": "update content set body = x'78' where id = ?",
    "origin is no JSON": "update item set origin = '{' where id = ?",
    "parameters are no JSON": "update item set parameters = '[1' where id = ?",
    "parameters of another kind": "update item set parameters = '[1]' where id = ?",
    "prefix of another kind": "update content set prefix = 7 where id = ?",
    "reply is no UTF-8": "update recipient set reply = cast(x'ff' as text), code = 400 where item = ?",
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_a_damaged_row_is_set_aside(store: SqliteStore, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = await put(store, "bad@d.test", 20), await put(store, "good@d.test", 20)
    db = sqlite3.connect(store._filer._database, isolation_level=None)
    db.execute(DAMAGE[kind], (bad.id,))
    db.close()
    await check(store, bad, good, caplog.text if await lease(store, good) else "")


async def test_a_state_that_is_none_is_shown_as_damage_and_can_be_removed(store: SqliteStore) -> None:
    bad, good = await put(store, "bad@d.test", 20), await put(store, "good@d.test", 20)
    db = sqlite3.connect(store._filer._database, isolation_level=None)
    db.execute("update recipient set state = 9 where item = ?", (bad.id,))
    db.close()
    await lease(store, good)
    assert [item.recipients[0].state for item in await store.queue.page(EVERYTHING)] == [State.CORRUPT, State.INCOMING]
    assert await store.queue.act_on_all(Act.REMOVE, QueueFilter(ids=(bad.id,)), CLOCK.now()) == 1


@pytest.mark.parametrize("kind", ["missing", "cut short", "longer than it was"])
async def test_a_damaged_spool_file_is_set_aside(
    store: SqliteStore, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = await put(store, "bad@d.test", 500)
    (spooled,) = (tmp_path / "spool").iterdir()
    good = await put(store, "good@d.test", 500)
    if kind == "missing":
        spooled.unlink()
    else:
        spooled.write_bytes(spooled.read_bytes()[:100] if kind == "cut short" else spooled.read_bytes() * 2)
    await check(store, bad, good, caplog.text if await lease(store, good) else "")


async def lease(store: SqliteStore, good: Item) -> bool:
    """The good one alone is leased, and readable."""
    (leased,) = await store.queue.lease(CLOCK.now(), 10)
    assert leased.id == good.id
    assert len(await leased.content.read(0, leased.content.size)) == good.content.size
    await store.queue.release(leased.id, leased.lease)
    return True


async def check(store: SqliteStore, bad: Item, good: Item, log: str) -> None:
    """It is told, listed beside the others, found damaged again when released, and can be removed."""
    assert f"queue item {ids.text(bad.id)} is damaged and set aside" in log
    assert [item.id for item in await store.queue.page(EVERYTHING)] == [bad.id, good.id]
    assert await store.queue.next_due() is not None
    await lease(store, good)
    corrupt = QueueFilter(states=(State.CORRUPT,))
    assert [item.id for item in await store.queue.page(corrupt)] == [bad.id]
    assert await store.queue.act_on_all(Act.UNHOLD, corrupt, CLOCK.now()) == 1
    await lease(store, good)
    assert [item.id for item in await store.queue.page(corrupt)] == [bad.id]
    assert await store.queue.act_on_all(Act.REMOVE, corrupt, CLOCK.now()) == 1
    assert [item.id for item in await store.queue.page(EVERYTHING)] == [good.id]
