"""Content that returns another message: its body is shared, and stays as long as one of the two is there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.model.reply import Reply
from mailhub.store.api import Act, Fate, Filing, Item, NewContent, NewItem, NewRecipient, Outcome, QueueFilter, Settle
from mailhub.store.sqlite import SqliteStore

GONE = Reply(550, "5.1.1", "No such user")
LARGE = b"0123456789abcdef" * 1_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = make(tmp_path)
    await made.open()
    yield made
    await made.close()


def make(path: Path) -> SqliteStore:
    return SqliteStore(path, StoreConfig(free_space_floor=0, inline_limit=1_024), VirtualClock(), "mx.test")


async def put(store: SqliteStore, text: bytes, *to: str) -> Item:
    number = store.queue.new_id()
    writer = store.queue.body_writer()
    writer.feed(text)
    content = NewContent(number, b"Received: here\r\n", await writer.finish())
    recipients = tuple(NewRecipient(n, address) for n, address in enumerate(to))
    return await store.queue.put(NewItem(number, content, "a@example.org", recipients, 0.0, 0.0))


def returned(store: SqliteStore, item: Item) -> NewItem:
    number = store.queue.new_id()
    content = NewContent(number, b"<" + item.content.prefix, item.content.body, b">")
    return NewItem(number, content, "", (NewRecipient(0, "a@example.org"),), 0.0, 0.0)


async def read(item: Item) -> bytes:
    return b"".join([block async for block in item.content.blocks(7_000)])


def spooled(path: Path) -> int:
    return len(list((path / "spool").iterdir()))


@pytest.mark.parametrize("text", [b"short", LARGE])
async def test_a_report_outlives_the_message_that_it_returns(store: SqliteStore, tmp_path: Path, text: bytes) -> None:
    item = await put(store, text, "b@example.org")
    await store.queue.settle(Settle(item.id, item.lease, (Outcome(0, Fate.FAILED, GONE),), (returned(store, item),)))
    (report,) = await store.queue.lease(1.0, 10)
    assert await read(report) == b"<Received: here\r\n" + text + b">"
    assert report.content.size == len(text) + 18
    for offset in range(40):
        assert await report.content.read(offset, 3) == (await read(report))[offset : offset + 3]
    assert await report.content.read(report.content.size - 2, 9) == text[-1:] + b">"
    await store.queue.settle(Settle(report.id, report.lease, (Outcome(0, Fate.RELAYED, GONE),)))
    await store._filer.settle()
    assert spooled(tmp_path) == 0
    assert (await store.queue.counts()).items == 0


async def test_a_large_body_lies_in_one_file_for_both(store: SqliteStore, tmp_path: Path) -> None:
    item = await put(store, LARGE, "b@example.org", "c@example.org")
    first = Settle(item.id, item.lease, (Outcome(0, Fate.FAILED, GONE),), (returned(store, item),))
    await store.queue.settle(first)
    assert spooled(tmp_path) == 1
    left, report = await store.queue.lease(1.0, 10)
    await store.queue.settle(Settle(report.id, report.lease, (Outcome(0, Fate.RELAYED, GONE),)))
    await store._filer.settle()
    assert await read(left) == b"Received: here\r\n" + LARGE
    await store.queue.settle(Settle(left.id, left.lease, (Outcome(1, Fate.RELAYED, GONE),)))
    await store._filer.settle()
    assert spooled(tmp_path) == 0


@pytest.mark.parametrize("text", [b"short", LARGE])
async def test_a_report_is_filed_whole_also_after_a_restart(tmp_path: Path, text: bytes) -> None:
    store = make(tmp_path)
    await store.open()
    item = await put(store, text, "b@example.org")
    await store.queue.settle(Settle(item.id, item.lease, (Outcome(0, Fate.FAILED, GONE),), (returned(store, item),)))
    await store.close()
    store = make(tmp_path)
    await store.open()
    (report,) = await store.queue.lease(1.0, 10)
    size = report.content.size
    filing = Filing("a@example.org", "INBOX", "1.x.mx", b"", report.content.id, size, 1, b"", b"")
    await store.mailboxes.stage(filing, report.content)
    await store.queue.settle(Settle(report.id, report.lease, (Outcome(0, Fate.DELIVERED, GONE, filings=(filing,)),)))
    (inbox,) = await store.mailboxes.folders("a@example.org")
    async with await store.mailboxes.open(inbox.id, 1) as file:
        assert await file.read(0, file.size) == b"<Received: here\r\n" + text + b">"
    await store.close()
    (file_path,) = [path for path in (tmp_path / "mail").rglob("*x.mx*") if path.is_file()]
    assert file_path.read_bytes() == b"<Received: here\r\n" + text + b">"


async def test_a_lost_file_of_a_report_is_written_again(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    item = await put(store, LARGE, "b@example.org")
    report = await store.queue.put(returned(store, item))
    filing = Filing("a@example.org", "INBOX", "1.x.mx", b"", report.content.id, report.content.size, 1, b"", b"")
    store._filer._wake.clear = lambda: None  # type: ignore[method-assign]
    await store.mailboxes.stage(filing, report.content)
    (staged,) = [path for path in (tmp_path / "mail").rglob("*x.mx*") if path.is_file()]
    staged.unlink()
    await store.queue.settle(Settle(report.id, report.lease, (Outcome(0, Fate.DELIVERED, GONE, filings=(filing,)),)))
    assert await store._filer.lane.call(store._filer._mend_filed) == 1
    assert staged.read_bytes() == b"<Received: here\r\n" + LARGE + b">"
    await store.close()


async def test_removing_the_message_leaves_its_report(store: SqliteStore, tmp_path: Path) -> None:
    item = await put(store, LARGE, "b@example.org", "c@example.org")
    await store.queue.settle(Settle(item.id, item.lease, (Outcome(0, Fate.FAILED, GONE),), (returned(store, item),)))
    await store.queue.act_on_all(Act.REMOVE, QueueFilter(ids=(item.id,)), 0)
    await store._filer.settle()
    assert spooled(tmp_path) == 1
    (report,) = await store.queue.lease(1.0, 10)
    assert (await read(report)).endswith(LARGE + b">")


async def test_a_short_file_is_never_filled_up_with_what_stands_behind_it(store: SqliteStore, tmp_path: Path) -> None:
    item = await put(store, LARGE, "b@example.org")
    report = await store.queue.put(returned(store, item))
    (file,) = (tmp_path / "spool").iterdir()
    file.write_bytes(LARGE[:5_000])
    store._spool.recent.forget(file.name)  # as after a restart
    assert not (await report.content.read(0, report.content.size)).endswith(b">")
