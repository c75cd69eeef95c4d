"""A cluster's tables are brought forward by one node while others work on them."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.stores import Stores, emptied, queued

from mailhub.model.errors import Permanent, Temporary
from mailhub.model.mailbox import SEEN, FlagOp
from mailhub.model.reply import Reply
from mailhub.store.api import Body, Fate, Filing, NewMessage, Outcome, Settle
from mailhub.store.mysql import nodes, versions
from mailhub.store.mysql.versions import MIGRATIONS, OLDEST, VERSION, Unpadded

WHO = "alice@example.org"
OK = Reply(250, "2.0.0", "Ok")
DATABASE = "versions"


@pytest.fixture(params=["mariadb_server", pytest.param("galera_node", marks=pytest.mark.slow)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """No tables yet."""
    server = request.getfixturevalue(request.param)
    server.run(f"drop database if exists {DATABASE}")
    with emptied(server, tmp_path, DATABASE) as made:
        yield made


def as_of(number: int, patch: pytest.MonkeyPatch) -> None:
    """Stores that are opened now are of that version."""
    patch.setattr(versions, "VERSION", number)
    patch.setattr(nodes, "VERSION", number)


def meta(stores: Stores, name: str) -> str:
    assert stores.server is not None
    return stores.server.run(f"select value from meta where name = '{name}'", DATABASE).strip()


def collations(stores: Stores) -> set[str]:
    assert stores.server is not None
    return set(
        stores.server.run(
            "select collation_name from information_schema.columns where table_schema = database()"
            " and (table_name, column_name) in (('folder', 'name'), ('subscription', 'name'), ('acl', 'identifier'))",
            DATABASE,
        ).split()
    )


async def work(store: Any, n: int) -> None:
    """Some of what a node does."""
    boxes = store.mailboxes
    inbox = (await boxes.folders(WHO))[0].id
    text = b"Subject: %d\r\n\r\nhello\r\n" % n
    (uid,) = await boxes.append(inbox, [NewMessage(Body(len(text), text), 1_700_000_000, b"(E)", b"(B)")])
    await boxes.set_flags(inbox, [uid], FlagOp.ADD, SEEN)
    folder = await boxes.create(WHO, f"of {n}")
    await boxes.copy(inbox, [uid], folder.id)
    await boxes.set_subscribed(WHO, f"of {n}", False)
    await store.sharing.change_acl(folder.id, "bob@example.org", FlagOp.REPLACE, "lr", 10)
    item = await store.queue.put(queued(store, WHO, body=text))
    filing = Filing(WHO, "INBOX", f"{n}.x.mx", b"", item.content.id, item.content.size, 1_700_000_000, b"(E)", b"(B)")
    await store.queue.settle(Settle(item.id, item.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))


async def test_a_node_of_the_version_before_goes_on(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = stores.make("a"), stores.make("b")
    with monkeypatch.context() as patch:
        as_of(VERSION - 1, patch)
        await older.open()
    assert meta(stores, "version") == str(VERSION - 1)
    await older.mailboxes.create(WHO, "a")
    migrated, done = asyncio.Event(), 0

    async def works() -> None:
        nonlocal done
        while not migrated.is_set() or done < 5:
            await work(older, done)
            done += 1

    task = asyncio.create_task(works())
    try:
        await newer.open()
    finally:
        migrated.set()
        await task
    assert (meta(stores, "version"), meta(stores, "readable_by")) == (str(VERSION), str(OLDEST))
    assert meta(stores, "migrating") == ""
    made = await newer.mailboxes.create(WHO, "a ")
    for n, store in enumerate((older, newer, older)):
        await work(store, done + n)
        found = {folder.name: folder for folder in await store.mailboxes.folders(WHO)}
        assert found["a "].id == made.id != found["a"].id
    inbox = found["INBOX"]
    assert (inbox.messages, inbox.uidnext) == (2 * (done + 3), 2 * (done + 3) + 1)
    assert await newer.mailboxes.check(WHO) == []
    # it may start again, too, and changes nothing
    await older.close()
    with monkeypatch.context() as patch:
        as_of(VERSION - 1, patch)
        older = stores.make("a")
        await older.open()
        await work(older, done + 3)
        await older.close()
        assert meta(stores, "version") == str(VERSION)
        stores.run(f"update meta set value = '{VERSION}' where name = 'readable_by'")
        with pytest.raises(Permanent, match=f"has version {VERSION}, this mailhub knows {VERSION - 1}"):
            await stores.make("a").open()
        stores.run("delete from meta where name = 'readable_by'")
        with pytest.raises(Permanent, match="start a newer mailhub"):
            await stores.make("a").open()
    await newer.close()


@pytest.mark.parametrize("number", range(1, VERSION + 1))
async def test_what_was_broken_off_goes_on(stores: Stores, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """In each version after each second step that was made and not told."""
    for n in range(0, len(MIGRATIONS[number]), 2 if number > 1 else 20):
        step = MIGRATIONS[number][n]
        made = type(step).make

        async def broken(self: Any, engine: Any, step: Any = step, made: Any = made) -> None:
            await made(self, engine)
            if self is step:
                raise Temporary("killed")

        with monkeypatch.context() as patch:
            patch.setattr(type(step), "make", broken)
            with pytest.raises(Temporary, match="killed"):
                await stores.make().open()
        assert meta(stores, "version") == ("" if number == 1 else str(number - 1))
    store = stores.make("b")
    await store.open()
    await work(store, 1)
    await store.close()
    assert len(collations(stores)) == 1
    assert collations(stores) <= set(versions._UNPADDED)


async def test_one_node_at_a_time_brings_them_forward(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        as_of(VERSION - 1, patch)
        first = stores.make("a")
        await first.open()
        await first.close()
    first, second = stores.make("a"), stores.make("b")
    calls: list[str] = []
    made = Unpadded.make

    async def counted(self: Unpadded, engine: Any) -> None:
        calls.append(self.columns[0][0])
        await made(self, engine)

    monkeypatch.setattr(Unpadded, "make", counted)
    await asyncio.gather(first.open(), second.open())
    assert calls == ["folder", "acl"], "the second waited, and found them done"
    await first.close()
    await second.close()
    # a node that died in the middle: its own next life goes on at once, others when its turn is over
    stores.run(f"replace into meta values ('version', '{VERSION - 1}'), ('migrating', '4000000000 {first._word()}')")
    first = stores.make("a")
    await first.open()
    await first.close()
    stores.run(f"replace into meta values ('version', '{VERSION - 1}'), ('migrating', '4000000000 {first._word()}')")
    caplog.clear()
    with caplog.at_level(logging.INFO, "mailhub.store"):
        waiting = asyncio.create_task(stores.make("b").open())
        while "waits for it" not in caplog.text:
            assert not waiting.done()
            await asyncio.sleep(0.01)
    stores.run("update meta set value = '1 gone' where name = 'migrating'")
    await waiting
    assert (meta(stores, "version"), meta(stores, "migrating")) == (str(VERSION), "")


async def test_nothing_is_changed_under_a_node_that_could_not_go_on(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        as_of(VERSION - 1, patch)
        older = stores.make("a")
        await older.open()
    monkeypatch.setattr(versions, "OLDEST", VERSION)
    with pytest.raises(Permanent, match=r"too old for the new store work on it: stop a\.mx\.test"):
        await stores.make("b").open()
    assert (meta(stores, "version"), collations(stores)) == (str(VERSION - 1), {"utf8mb4_bin"})
    await older.close()
    newer = stores.make("b")
    await newer.open()
    await newer.close()
    assert (meta(stores, "version"), meta(stores, "readable_by")) == (str(VERSION), str(VERSION))


async def test_two_that_find_nothing_make_it_once(stores: Stores) -> None:
    both = [stores.make("a"), stores.make("b")]
    await asyncio.gather(*(store.open() for store in both))
    for n, store in enumerate(both):
        await work(store, n)
        await store.close()
    assert meta(stores, "version") == str(VERSION)
