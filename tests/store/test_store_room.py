"""A large body has room at the head of its spool file: where that is just enough for what delivery puts before it, the very file is
the mailbox's. Otherwise, and for everybody else, it is copied."""

from pathlib import Path

import pytest
from support.hubs import messages, running, send
from support.store_crash import CLOCK, WHO, close, count, crash, mail, opened

from mailhub.config.schema import Store as StoreConfig
from mailhub.model import ids
from mailhub.model.reply import Reply
from mailhub.store.api import Fate, Filing, Item, NewContent, NewItem, NewRecipient, Outcome, Settle
from mailhub.store.files import Files
from mailhub.store.sqlite import SqliteStore

OK = Reply(250, "2.0.0", "Ok")
TEXT = b"Subject: large\r\n\r\n" + b"x" * 200_000 + b"\r\n"
HEAD, PREFIX = b"Return-Path: <a@b.c>\r\n", b"Received: from there\r\n"
WHOLE = HEAD + PREFIX + TEXT
INBOX = "mail/example.org/alice/Maildir/new"


async def queued(store: SqliteStore, room: int) -> Item:
    writer = store.queue.body_writer(lambda: room)
    for start in range(0, len(TEXT), 50_000):
        writer.feed(TEXT[start : start + 50_000])
        await writer.drain()
    body = await writer.finish()
    assert body.size == len(TEXT)
    number = store.queue.new_id()
    recipients = tuple(NewRecipient(n, WHO) for n in range(2))
    return await store.queue.put(NewItem(number, NewContent(number, PREFIX, body), "a@b.c", recipients, 0, 0))


async def staged(store: SqliteStore, item: Item, n: int = 0, head: bytes = HEAD) -> Filing:
    file = f"1.Q{ids.text(item.id)}R{n}.mx"
    size = len(head) + item.content.size
    filing = Filing(WHO, "INBOX", file, head, item.content.id, size, 1, b"(E)", b"(B)")
    await store.mailboxes.stage(filing, item.content)
    return filing


def names(path: Path) -> list[int]:
    """How many names each file of the mailbox has."""
    return [file.stat().st_nlink for file in mail(path)]


def apart(one: Path, other: Path) -> bool:
    return one.stat().st_dev != other.stat().st_dev


async def test_the_file_is_that_of_the_mailbox_for_the_first_who_comes(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.mailboxes.folders(WHO)
    item = await queued(store, len(HEAD + PREFIX))
    await staged(store, item)
    assert names(tmp_path) == [2]
    assert mail(tmp_path)[0].read_bytes() == WHOLE
    assert mail(tmp_path)[0].stat().st_mode & 0o777 == 0o600
    other = b"Return-Path: <x@y.z>\r\n"
    await staged(store, item, 1, other)
    assert names(tmp_path) == [2, 1]
    assert mail(tmp_path)[1].read_bytes() == other + PREFIX + TEXT
    assert mail(tmp_path)[0].read_bytes() == WHOLE
    assert b"".join([block async for block in item.content.blocks()]) == PREFIX + TEXT
    await close(store)


@pytest.mark.parametrize("room", [0, 1, len(HEAD + PREFIX) - 1, len(HEAD + PREFIX) + 1])
async def test_where_the_room_is_another_it_is_copied(tmp_path: Path, room: int) -> None:
    store = await opened(tmp_path)
    await store.mailboxes.folders(WHO)
    item = await queued(store, room)
    await staged(store, item)
    assert (names(tmp_path), mail(tmp_path)[0].read_bytes()) == ([1], WHOLE)
    assert await item.content.read(len(PREFIX), 20) == TEXT[:20]
    await close(store)


async def test_where_there_can_be_no_second_name_it_is_copied(tmp_path: Path) -> None:
    if not apart(tmp_path, Path("/dev/shm")):
        pytest.skip("there is one file system alone")

    class Apart(Files):
        """The mailbox lies on another file system."""

        def name_also(self, source: str, target: str) -> bool:
            return super().name_also(source, "/dev/shm/" + target.rpartition("/")[2])

    store = SqliteStore(tmp_path, StoreConfig(free_space_floor=0, sync_interval=3600), CLOCK, "mx.test", Apart())
    await store.open()
    await store.mailboxes.folders(WHO)
    await staged(store, await queued(store, len(HEAD + PREFIX)))
    assert (names(tmp_path), mail(tmp_path)[0].read_bytes()) == ([1], WHOLE)
    await close(store)


async def test_a_delivery_that_is_made_again_gives_the_same_file(tmp_path: Path) -> None:
    store = await opened(tmp_path / "a")
    await store.mailboxes.folders(WHO)
    await staged(store, await queued(store, len(HEAD + PREFIX)))
    copy = crash(tmp_path / "a")
    await close(store)
    again = await opened(copy)
    (due,) = await again.queue.lease(CLOCK.now(), 10)
    filing = await staged(again, due)
    assert [file.read_bytes() for file in mail(copy)] == [WHOLE]
    await again.queue.settle(Settle(due.id, due.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))
    assert await count(again) == 1
    await close(again)


async def test_fields_that_power_loss_took_are_written_again(tmp_path: Path) -> None:
    store = await opened(tmp_path / "a")
    await store.mailboxes.folders(WHO)
    item = await queued(store, len(HEAD + PREFIX))
    filing = await staged(store, item)
    await store.queue.settle(Settle(item.id, item.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))
    copy = crash(tmp_path / "a")
    await close(store)
    (file,) = mail(copy)
    file.write_bytes(bytes(len(HEAD + PREFIX)) + TEXT)  # never synced: the room is as it was when the body came
    again = await opened(copy)
    assert [file.read_bytes() for file in mail(copy)] == [WHOLE]
    await close(again)


async def test_what_comes_by_smtp_has_the_room_that_its_delivery_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[bool] = []
    share = Files.share

    def seen(files: Files, source: str, target: str, head: bytes) -> bool:
        shared.append(share(files, source, target, head))
        return shared[-1]

    monkeypatch.setattr(Files, "share", seen)
    text = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 2_000
    async with running(tmp_path, "ann@mailhub.test") as hub:
        await send(hub, "bob@elsewhere.test", "ann@mailhub.test", text)
        (whole,) = await messages(hub, "ann@mailhub.test")
    assert whole.startswith(b"Return-Path: <bob@elsewhere.test>\r\nDelivered-To: ann@mailhub.test\r\n")
    assert whole.endswith(text)
    assert shared == [True]
