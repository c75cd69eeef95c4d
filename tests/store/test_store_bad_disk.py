"""Files that can not be touched: what is in the index stays, others' mail goes on, and all is made good once they can."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.bad_disk import EIO, EMFILE, BadDisk

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary
from mailhub.model.mailbox import SEEN, FlagOp
from mailhub.store.api import Body, NewMessage
from mailhub.store.sqlite import SqliteStore

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
TEXT = b"Subject: x\r\n\r\ntext\r\n"


@pytest.fixture
def disk() -> BadDisk:
    return BadDisk()


@pytest.fixture
async def store(tmp_path: Path, disk: BadDisk) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, StoreConfig(free_space_floor=0, sync_interval=0.01), VirtualClock(), "mx.test", disk)
    await store.open()
    yield store
    disk.bad.clear()
    await store.close()


async def appended(store: SqliteStore, account: str) -> tuple[int, int]:
    """A folder's number, and the UID of a new message in it whose file is there."""
    folder = (await store.mailboxes.folders(account))[0]
    (uid,) = await store.mailboxes.append(folder.id, [NewMessage(Body(len(TEXT), TEXT), 0, b"", b"")])
    await store._filer.catch_up()
    return folder.id, uid


async def read(store: SqliteStore, folder: int, uid: int) -> bytes:
    async with await store.mailboxes.open(folder, uid) as file:
        return await file.read(0, file.size)


async def test_what_was_moved_on_a_bad_disk_is_not_taken_for_deleted(store: SqliteStore, disk: BadDisk) -> None:
    inbox, uid = await appended(store, ALICE)
    archive = await store.mailboxes.create(ALICE, "Archive")
    disk.bad["alice/Maildir/.Archive"] = EIO
    (moved,) = (await store.mailboxes.move(inbox, [uid], archive.id)).target
    for _ in range(2):
        with pytest.raises(Temporary):
            await read(store, archive.id, moved)
    assert "Input/output error" in store._filer.trouble
    disk.bad.clear()
    assert await read(store, archive.id, moved) == TEXT
    await store._filer.catch_up()
    assert store._filer.trouble == ""


async def test_others_go_on_and_what_follows_waits(store: SqliteStore, disk: BadDisk) -> None:
    inbox, uid = await appended(store, ALICE)
    bobs, theirs = await appended(store, BOB)
    old = await store.mailboxes.create(ALICE, "Old")
    disk.bad["alice/Maildir/.New"] = EIO
    await store.mailboxes.rename(old.id, "New")
    (moved,) = (await store.mailboxes.move(inbox, [uid], old.id)).target
    (copy,) = (await store.mailboxes.copy(bobs, [theirs], bobs)).target
    assert await read(store, bobs, copy) == TEXT
    with pytest.raises(Temporary):
        await read(store, old.id, moved)
    disk.bad.clear()
    assert await read(store, old.id, moved) == TEXT


async def test_flags_and_new_files_of_others_are_written(store: SqliteStore, disk: BadDisk, tmp_path: Path) -> None:
    inbox, uid = await appended(store, ALICE)
    bobs, theirs = await appended(store, BOB)
    disk.bad["alice/Maildir/"] = EIO
    for folder, number in ((inbox, uid), (bobs, theirs)):
        await store.mailboxes.set_flags(folder, [number], FlagOp.ADD, SEEN)
        await store.mailboxes.append(folder, [NewMessage(Body(len(TEXT), TEXT), 0, b"", b"")])
    with pytest.raises(Temporary):  # the list of UIDs can not be written
        await store._filer.catch_up()
    files = sorted((tmp_path / "mail/mailhub.test/bob/Maildir/cur").iterdir())
    assert len(files) == 2
    assert any(file.name.endswith(":2,S") for file in files)
    assert "alice/Maildir" in store._filer.trouble
    disk.bad.clear()
    await store._filer.catch_up()
    assert len(list((tmp_path / "mail/mailhub.test/alice/Maildir/cur").iterdir())) == 2
    assert store._filer.trouble == ""


async def test_a_file_that_can_not_be_deleted_is_tried_again(store: SqliteStore, disk: BadDisk, tmp_path: Path) -> None:
    inbox, uid = await appended(store, ALICE)
    (file,) = (tmp_path / "mail/mailhub.test/alice/Maildir/cur").iterdir()
    disk.bad[file.name] = EIO
    await store.mailboxes.expunge(inbox, [uid])
    await store._filer.catch_up()
    assert "Input/output error" in store._filer.trouble
    disk.bad.clear()
    await store._filer.catch_up()
    assert list((tmp_path / "mail/mailhub.test/alice/Maildir/cur").iterdir()) == []


async def test_a_lack_of_descriptors_is_temporary(store: SqliteStore, disk: BadDisk) -> None:
    inbox, uid = await appended(store, ALICE)
    (Path(store._data) / "mail/mailhub.test/alice/Maildir/dovecot-uidlist").touch()
    disk.bad["Maildir"] = EMFILE
    with pytest.raises(Temporary):
        await read(store, inbox, uid)
    with pytest.raises(Temporary):
        await store.mailboxes.former_ids(inbox)
    disk.bad.clear()
    assert await read(store, inbox, uid) == TEXT
