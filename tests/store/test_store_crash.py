"""What a crash leaves behind: the data folder is copied from under a living store, and opened as a new one would."""

import os
import sqlite3
from pathlib import Path

from support.store_crash import CLOCK, WHO, close, count, crash, mail, opened

from mailhub.model.mailbox import SEEN, FlagOp
from mailhub.model.reply import Reply
from mailhub.store.api import Body, Fate, Filing, NewContent, NewItem, NewMessage, NewRecipient, Outcome, Settle
from mailhub.store.sqlite import SqliteStore

TEXT = b"Subject: x\r\n\r\nhello\r\n"
OK = Reply(250, "2.0.0", "Ok")


async def delivery(store: SqliteStore) -> tuple[NewItem, Filing]:
    number = store.queue.new_id()
    item = NewItem(
        number, NewContent(number, b"P: 1\r\n", Body(len(TEXT), TEXT)), "a@b.c", (NewRecipient(0, WHO),), 0, 0
    )
    from mailhub.model import ids

    file = f"1.Q{ids.text(number)}R0.mx"
    filing = Filing(WHO, "INBOX", file, b"H: 1\r\n", number, 12 + len(TEXT), 1, b"(E)", b"(B)")
    return item, filing


async def test_a_file_written_but_not_settled_is_not_doubled(tmp_path: Path) -> None:
    path = tmp_path / "a"
    store = await opened(path)
    await store.mailboxes.folders(WHO)
    item, filing = await delivery(store)
    put = await store.queue.put(item)
    await store.mailboxes.stage(filing, put.content)
    copy = crash(path)
    await close(store)
    again = await opened(copy)
    assert await count(again) == 0, "the queue will deliver it; a scan leaves it alone"
    (due,) = await again.queue.lease(CLOCK.now(), 10)
    await again.mailboxes.stage(filing, due.content)
    await again.queue.settle(Settle(due.id, due.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))
    await again.mailboxes.rescan(WHO)
    assert await count(again) == 1
    assert len(mail(copy)) == 1
    await close(again)


async def test_a_file_that_power_loss_took_is_written_again(tmp_path: Path) -> None:
    for loss in ("missing", "short"):
        path = tmp_path / loss
        store = await opened(path)
        await store.mailboxes.folders(WHO)
        item, filing = await delivery(store)
        put = await store.queue.put(item)
        await store.mailboxes.stage(filing, put.content)
        store._filer._stopping.set()  # no round comes between the unit and the crash
        store._filer._wake.set()
        assert store._filer._task is not None
        await store._filer._task
        await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))
        copy = crash(path)
        (file,) = mail(copy)
        if loss == "missing":
            file.unlink()
        else:
            os.truncate(file, 5)
        again = await opened(copy)
        assert await count(again) == 1
        (file,) = mail(copy)
        assert file.read_bytes() == b"H: 1\r\nP: 1\r\n" + TEXT
        await close(again)
        db = sqlite3.connect(copy / "mailhub.db")
        assert db.execute("select count(*) from content").fetchone() == (0,)
        db.close()
        await close(store)


async def test_deleted_mail_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    store = await opened(path)
    inbox = (await store.mailboxes.folders(WHO))[0].id
    await store.mailboxes.append(inbox, [NewMessage(Body(len(TEXT), TEXT), 1, b"(E)", b"(B)") for _ in range(2)])
    while await store._filer._round():
        pass
    assert len(mail(path)) == 2
    store._filer._stopping.set()
    store._filer._wake.set()
    assert store._filer._task is not None
    await store._filer._task
    await store.mailboxes.expunge(inbox, [1])
    copy = crash(path)
    assert len(mail(copy)) == 2, "the commit came first, the file goes later"
    again = await opened(copy)
    assert await count(again) == 1
    await again.mailboxes.rescan(WHO)
    assert await count(again) == 1
    await close(again)
    assert len(mail(copy)) == 1
    await close(store)


async def test_flags_copies_and_moves_are_finished(tmp_path: Path) -> None:
    path = tmp_path / "a"
    store = await opened(path)
    inbox = (await store.mailboxes.folders(WHO))[0].id
    target = (await store.mailboxes.create(WHO, "T")).id
    await store.mailboxes.append(inbox, [NewMessage(Body(len(TEXT), TEXT), 1, b"(E)", b"(B)") for _ in range(3)])
    while await store._filer._round():
        pass
    store._filer._stopping.set()
    store._filer._wake.set()
    assert store._filer._task is not None
    await store._filer._task
    from mailhub.store.sqlite.mailbox_units import Copy

    await store.mailboxes.set_flags(inbox, [1], FlagOp.ADD, SEEN)
    await store._writer.do(Copy(inbox, (1,), target, ("9.M9.mx",), 0))
    await store._writer.do(Copy(inbox, (2,), target, (), 0))
    copy = crash(path)
    again = await opened(copy)
    assert list((await again.mailboxes.view(inbox)).uids) == [1, 3]
    view = await again.mailboxes.view(target)
    assert list(view.uids) == [1, 2]
    assert view.flags[0] == SEEN
    for uid in view.uids:
        async with await again.mailboxes.open(target, uid) as message:
            assert await message.read(0, 100) == TEXT
    await close(again)
    assert [file.name.rpartition(":2,")[2] for file in mail(copy)].count("S") == 1
    await close(store)
