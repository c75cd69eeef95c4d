"""Message after message is copied and moved while the filer works: each can be read at once, none is taken for gone."""

from pathlib import Path

from mailhub.config.schema import Store
from mailhub.model.clock import SystemClock
from mailhub.store.api import NewMessage
from mailhub.store.sqlite import SqliteStore


def written(data: Path) -> bool:
    return any(data.glob("mail/*/*/Maildir/cur/*"))


async def test_each_copy_is_there_when_it_is_told(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Store(sync_interval=0.0), SystemClock(), "mx.test")
    await store.open()
    try:
        mail = store.mailboxes
        inbox = (await mail.folders("alice@mailhub.test"))[0]
        target = await mail.create("alice@mailhub.test", "Target")
        for n in range(150):
            text = b"Subject: %d\r\n\r\n" % n
            writer = store.queue.body_writer()
            writer.feed(text)
            (uid,) = await mail.append(inbox.id, [NewMessage(await writer.finish(), 0, b"", b"")])
            while not written(tmp_path):
                await mail.rows(inbox.id, [uid], False)  # the file is not written yet: let the others work
            copied = await mail.copy(inbox.id, [uid], target.id)
            moved = await mail.move(inbox.id, [uid], target.id)
            for made in (*copied.target, *moved.target):
                async with await mail.open(target.id, made) as file:
                    assert await file.read(0, file.size) == text
            await mail.expunge(target.id, [*copied.target, *moved.target])
    finally:
        await store.close()
