"""What is the embedded store's own about mailboxes, with real Maildirs; the contract is in test_contract_mailboxes.py."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config.schema import Store as StoreConfig
from mailhub.model import ids
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Exists, NotFound, Permanent, Temporary
from mailhub.model.mailbox import DELETED, FLAGGED, SEEN, Changed, FlagOp
from mailhub.model.reply import Reply
from mailhub.store.api import Body, Fate, Filing, NewContent, NewItem, NewMessage, NewRecipient, Outcome, Settle
from mailhub.store.sqlite import SqliteStore

CLOCK = VirtualClock()
WHO = "alice@example.org"


def make(path: Path) -> SqliteStore:
    return SqliteStore(path, StoreConfig(free_space_floor=0, sync_interval=0.01), CLOCK, "mx.test")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = make(tmp_path)
    await store.open()
    yield store
    await store.close()


def message(text: bytes = b"Subject: x\r\n\r\nhello\r\n", flags: int = 0, keywords: tuple[str, ...] = ()) -> NewMessage:
    return NewMessage(Body(len(text), text), 1_700_000_000, b"(E)", b"(B)", flags, keywords)


async def inbox(store: SqliteStore) -> int:
    return (await store.mailboxes.folders(WHO))[0].id


def files(tmp_path: Path, folder: str = "") -> list[str]:
    home = tmp_path / "mail/example.org/alice/Maildir" / folder
    return sorted(str(p.relative_to(home)) for sub in ("new", "cur") for p in (home / sub).iterdir())


async def reopen(store: SqliteStore, tmp_path: Path) -> SqliteStore:
    await store.close()
    again = make(tmp_path)
    await again.open()
    return again


async def test_append_is_readable_at_once_and_becomes_a_file(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    assert await store.mailboxes.append(folder, [message(), message(flags=SEEN, keywords=("Work",))]) == [1, 2]
    async with await store.mailboxes.open(folder, 1) as opened:
        assert await opened.read(0, 100) == b"Subject: x\r\n\r\nhello\r\n"
    store = await reopen(store, tmp_path)
    names = files(tmp_path)
    assert len(names) == 2
    assert sorted(name.rpartition(",")[2] for name in names) == ["", "Sa"]
    assert all(",S=21:2," in name for name in names)
    view = await store.mailboxes.view(folder)
    assert list(view.uids) == [1, 2]
    assert view.folder.keywords == ("Work",)
    assert list(view.flags) == [0, SEEN | 32]
    async with await store.mailboxes.open(folder, 2) as opened:
        assert await opened.read(0, 100) == b"Subject: x\r\n\r\nhello\r\n"
    await store.close()
    db = sqlite3.connect(tmp_path / "mailhub.db")
    assert db.execute("select count(*) from content").fetchone() == (0,), "forgotten once synced"
    assert db.execute("select count(*) from intent").fetchone() == (0,)
    db.close()


async def test_flags_are_committed_told_and_follow_into_names(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    told: list[Changed] = []
    store.mailboxes.subscribe(told.extend)
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message() for _ in range(3)])
    before = (await store.mailboxes.folder(folder)).modseq
    state, rows, refused = await store.mailboxes.set_flags(folder, [1, 3], FlagOp.ADD, SEEN | FLAGGED, ["Todo"])
    assert [(uid, flags) for uid, flags, _ in rows] == [(1, SEEN | FLAGGED | 32), (3, SEEN | FLAGGED | 32)]
    assert refused == []
    assert (state.unseen, state.modseq) == (1, before + 1)
    assert told[-1] == Changed(WHO, folder, before + 1)
    _, rows, refused = await store.mailboxes.set_flags(folder, [1, 2], FlagOp.REMOVE, SEEN, unchanged_since=before)
    assert [uid for uid, _, _ in rows] == [2]
    assert refused == [1]
    changes = await store.mailboxes.changes(folder, before)
    assert [uid for uid, _, _ in changes.rows] == [1, 3]
    await store.close()
    assert sorted(name.rpartition(",")[2] for name in files(tmp_path)) == ["", "FSa", "FSa"]


async def test_expunged_mail_is_gone_and_its_uid_never_used_again(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message() for _ in range(3)])
    before = (await store.mailboxes.folder(folder)).modseq
    assert await store.mailboxes.expunge(folder, [3, 9]) == [3]
    with pytest.raises(NotFound):
        await store.mailboxes.open(folder, 3)
    assert (await store.mailboxes.changes(folder, before)).expunged == (3,)
    store = await reopen(store, tmp_path)
    assert len(files(tmp_path)) == 2
    assert await store.mailboxes.append(folder, [message()]) == [4]
    assert (await store.mailboxes.folder(folder)).messages == 3
    await store.close()


async def test_copy_and_move_keep_flags_and_octets(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(b"Subject: %d\r\n\r\n" % n, SEEN, ("Work",)) for n in range(4)])
    target = (await store.mailboxes.create(WHO, "Archive.2026")).id
    copied = await store.mailboxes.copy(folder, [1, 2], target)
    assert (copied.source, copied.target) == ((1, 2), (1, 2))
    moved = await store.mailboxes.move(folder, [2, 3], target)
    assert (moved.source, moved.target) == ((2, 3), (3, 4))
    store = await reopen(store, tmp_path)
    assert list((await store.mailboxes.view(folder)).uids) == [1, 4]
    view = await store.mailboxes.view(target)
    assert list(view.flags) == [SEEN | 32] * 4
    texts = []
    for uid in view.uids:
        async with await store.mailboxes.open(target, uid) as opened:
            texts.append(await opened.read(0, 100))
    assert texts == [b"Subject: %d\r\n\r\n" % n for n in (0, 1, 1, 2)]
    assert (len(files(tmp_path)), len(files(tmp_path, ".Archive.2026"))) == (2, 4)
    await store.close()


async def test_folders_are_made_renamed_and_deleted(store: SqliteStore, tmp_path: Path) -> None:
    folder = await inbox(store)
    made = await store.mailboxes.create(WHO, "A.B")
    assert [f.name for f in await store.mailboxes.folders(WHO)] == ["INBOX", "A", "A.B"]
    with pytest.raises(Exists):
        await store.mailboxes.create(WHO, "A.B")
    for bad in ("inbox", "a..b", "", "x\n", "é" * 200):
        with pytest.raises(Permanent):
            await store.mailboxes.create(WHO, bad)
    await store.mailboxes.append(made.id, [message()])
    parent = (await store.mailboxes.folders(WHO))[1]
    await store.mailboxes.rename(parent.id, "Ü")
    assert [f.name for f in await store.mailboxes.folders(WHO)] == ["INBOX", "Ü", "Ü.B"]
    async with await store.mailboxes.open(made.id, 1) as opened:
        assert opened.size == 21
    assert (tmp_path / "mail/example.org/alice/Maildir/.&ANw-.B/cur").is_dir()
    await store.mailboxes.delete(made.id)
    again = await store.mailboxes.create(WHO, "Ü.B")
    assert again.uidvalidity > made.uidvalidity
    assert again.messages == 0
    await store.mailboxes.append(folder, [message()])
    await store.mailboxes.rename(folder, "Old")
    names = {f.name: f.messages for f in await store.mailboxes.folders(WHO)}
    assert (names["INBOX"], names["Old"]) == (0, 1)


async def test_what_another_program_did_is_taken_in(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(), message(flags=FLAGGED), message()])
    store = await reopen(store, tmp_path)
    cur = tmp_path / "mail/example.org/alice/Maildir/cur"
    first, second, third = sorted(cur.iterdir())
    first.unlink()
    second.rename(str(second) + "T")
    (cur.parent / "new" / "1700000001.M5P6.host").write_bytes(b"Subject: new\r\n\r\n")
    await store.mailboxes.rescan(WHO)
    view = await store.mailboxes.view(folder)
    assert list(view.uids) == [2, 3, 4]
    assert DELETED in (view.flags[0] & DELETED, view.flags[1] & DELETED)
    assert (await store.mailboxes.rows(folder, [4], rendered=True))[0].envelope.startswith(b'(NIL "new"')
    assert third.exists()
    await store.close()


async def test_rebuild_keeps_uids_flags_and_uidvalidity(store: SqliteStore) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(b"Subject: %d\r\n\r\n" % n, n & 1) for n in range(5)])
    await store.mailboxes.expunge(folder, [2])
    while await store._filer._round():
        pass
    before = await store.mailboxes.view(folder)
    seen: list[tuple[int, int]] = []
    await store.mailboxes.rebuild(WHO, lambda done, total: seen.append((done, total)))
    after = await store.mailboxes.view(folder)
    assert (list(after.uids), list(after.flags)) == (list(before.uids), list(before.flags))
    assert (after.folder.uidvalidity, after.folder.messages) == (before.folder.uidvalidity, 4)
    assert seen[-1] == (4, 4)
    rows = await store.mailboxes.rows(folder, [1, 5], rendered=True)
    assert [row.envelope[:12] for row in rows] == [b'(NIL "0" NIL', b'(NIL "4" NIL']


@pytest.mark.parametrize("crashed", [False, True])
async def test_subscriptions_that_another_server_changed_meanwhile(tmp_path: Path, crashed: bool) -> None:
    """After a crash our own file may be the older one."""
    store = make(tmp_path)
    await store.open()
    await inbox(store)
    await store.mailboxes.set_subscribed(WHO, "Ours", True)
    await store.close()
    if crashed:
        with contextlib.closing(sqlite3.connect(tmp_path / "mailhub.db")) as db:
            db.execute("delete from meta where key = 'in_step'")
            db.commit()
    file = tmp_path / "mail/example.org/alice/Maildir/subscriptions"
    assert "Ours" in file.read_text().split()
    file.write_text("V\t2\n\nINBOX\nTheirs\tSub\n")
    for _ in range(2):  # and it stays so
        store = make(tmp_path)
        await store.open()
        await store.mailboxes.folders(WHO)
        found = await store.mailboxes.subscriptions(WHO)
        assert found == (["INBOX", "Ours"] if crashed else ["INBOX", "Theirs.Sub"])
        await store.mailboxes.set_subscribed(WHO, "INBOX", True)
        await store.close()


async def test_a_maildir_without_its_index_keeps_uids_flags_and_subscriptions(tmp_path: Path) -> None:
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    await store.mailboxes.create(WHO, "Büro.2026")
    await store.mailboxes.append(folder, [message(b"Subject: %d\r\n\r\n" % n, n & 1, ("Work",)) for n in range(5)])
    await store.mailboxes.expunge(folder, [1, 4])
    before = await store.mailboxes.view(folder)
    await store.close()
    home = tmp_path / "mail/example.org/alice/Maildir"
    assert (home / "dovecot-uidlist").read_text().startswith(f"3 V{before.folder.uidvalidity} N6 G")
    assert (home / "dovecot-keywords").read_text() == "0 Work\n"
    assert "B&APw-ro.2026" in (home / "subscriptions").read_text().split()
    for name in ("mailhub.db", "mailhub.db-wal", "mailhub.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    store = make(tmp_path)
    await store.open()
    found = {f.name: f for f in await store.mailboxes.folders(WHO)}
    assert {"INBOX", "Büro.2026"} <= set(found)
    after = await store.mailboxes.view(found["INBOX"].id)
    assert (list(after.uids), list(after.flags)) == (list(before.uids), list(before.flags))
    assert (after.folder.uidvalidity, after.folder.uidnext) == (before.folder.uidvalidity, 6)
    assert after.folder.keywords == ("Work",)
    await store.close()


async def test_mail_delivered_before_anybody_looked_leaves_adopted_uids_alone(tmp_path: Path) -> None:
    home = tmp_path / "mail/example.org/alice/Maildir"
    for sub in ("tmp", "new", "cur"):
        (home / sub).mkdir(parents=True)
    (home / "cur" / "1.a.b:2,S").write_bytes(b"Subject: old\r\n\r\n")
    (home / "dovecot-uidlist").write_text("3 V77 N10 G0123456789abcdef0123456789abcdef\n5 :1.a.b\n")
    store = make(tmp_path)
    await store.open()
    number = store.queue.new_id()
    item = NewItem(number, NewContent(number, b"", Body(2, b"\r\n")), "a@b.c", (NewRecipient(0, WHO),), 0, 0)
    put = await store.queue.put(item)
    filing = Filing(WHO, "INBOX", f"1.Q{ids.text(number)}R0.mx", b"", number, 2, 1, b"(E)", b"(B)")
    await store.mailboxes.stage(filing, put.content)
    done = Outcome(0, Fate.DELIVERED, Reply(250, "2.0.0", "Ok"), filings=(filing,))
    await store.queue.settle(Settle(put.id, put.lease, (done,)))
    view = await store.mailboxes.view(await inbox(store))
    assert (view.folder.uidvalidity, list(view.uids), list(view.flags)) == (77, [5, 10], [SEEN, 0])
    delivered = next(file for sub in ("new", "cur") for file in (home / sub).glob("1.Q*"))
    assert delivered.stat().st_mtime == 1, "the file's time is INTERNALDATE for Dovecot"
    await store.close()


async def test_a_restored_file_gets_a_uid_of_its_own(tmp_path: Path) -> None:
    """A backup's file of a message that was expunged: it is new mail, its old UID is never used again."""
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(), message()])
    store = await reopen(store, tmp_path)
    await inbox(store)
    home = tmp_path / "mail/example.org/alice/Maildir"
    listed = (home / "dovecot-uidlist").read_bytes()
    first = min((home / "cur").iterdir(), key=lambda path: path.name)
    text = first.read_bytes()
    (uid,) = [
        uid
        for uid in (1, 2)
        if (await store.mailboxes.rows(folder, [uid], False))[0].file == first.name.partition(":")[0]
    ]
    await store.mailboxes.expunge(folder, [uid])
    store = await reopen(store, tmp_path)
    assert not first.exists()
    first.write_bytes(text)
    (home / "dovecot-uidlist").write_bytes(listed)
    await inbox(store)
    assert list((await store.mailboxes.view(folder)).uids) == [3 - uid, 3]
    await store.close()


async def test_letters_without_a_name_do_not_become_another_keyword(tmp_path: Path) -> None:
    home = tmp_path / "mail/example.org/alice/Maildir"
    for sub in ("tmp", "new", "cur"):
        (home / sub).mkdir(parents=True)
    (home / "cur" / "1.a.b:2,Sb").write_bytes(b"Subject: old\r\n\r\n")
    store = make(tmp_path)
    await store.open()
    folder = await inbox(store)
    state, rows, _ = await store.mailboxes.set_flags(folder, [1], FlagOp.ADD, 0, ["Work"])
    assert state.keywords == ("unknown-0", "unknown-1", "Work")
    assert rows[0][1] == SEEN | 64 | 128
    await store.close()


async def test_a_maildir_that_is_gone_is_not_mail_that_was_deleted(store: SqliteStore, tmp_path: Path) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message()])
    while await store._filer._round():
        pass
    home = tmp_path / "mail/example.org/alice/Maildir"
    home.rename(tmp_path / "unmounted")
    await store.mailboxes.rescan(WHO)
    with pytest.raises(Temporary):
        await store.mailboxes.open(folder, 1)
    (tmp_path / "unmounted").rename(home)
    async with await store.mailboxes.open(folder, 1) as opened:
        assert opened.size == 21


async def test_a_large_message_is_read_to_its_end_while_it_gets_its_file(store: SqliteStore, tmp_path: Path) -> None:
    """Who opened it before its spool file went has it still; where that is lost, the message is not given up."""
    body = b"Subject: large\r\n\r\n" + b"x" * 300_000
    folder = await inbox(store)
    writer = store.queue.body_writer()
    writer.feed(body)
    new = NewMessage(await writer.finish(), 1_000_000_000, b"(E)", b"(B)")
    (spool,) = [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    (uid,) = await store.mailboxes.append(folder, [new])
    async with await store.mailboxes.open(folder, uid) as opened:
        start = await opened.read(0, 1_000)
        spool.unlink(missing_ok=True)
        assert start + await opened.read(1_000, 1_000_000) == body


async def test_maildirs_that_lie_elsewhere(tmp_path: Path) -> None:
    """As another server has them; names of accounts that come later, and with odd signs, stay below that folder."""
    vmail = tmp_path / "vmail"
    (vmail / "example.org/alice/new").mkdir(parents=True)
    (vmail / "example.org/alice/new/1.M1.host").write_bytes(b"Subject: there before\r\n\r\n")
    config = StoreConfig(free_space_floor=0, mail_location=f"{vmail}/%d/%n")
    store = SqliteStore(tmp_path / "data", config, VirtualClock(), "mx.example.org")
    await store.open()
    view = await store.mailboxes.view(await inbox(store))
    assert list(view.uids) == [1]
    for account in ("../../evil@example.org", "new@other.test"):
        (folder,) = await store.mailboxes.folders(account)
        await store.mailboxes.append(folder.id, [message(b"Subject: new\r\n\r\n")])
        await store.mailboxes.create(account, "Work")
    await store.mailboxes.sync()
    assert (tmp_path / "data/mail/example.org/alice/Maildir").readlink() == vmail / "example.org/alice"
    assert sorted(str(path.relative_to(vmail)) for path in vmail.glob("*/*/.Work")) == [
        "example.org/%2E.%2F..%2Fevil/.Work",
        "other.test/new/.Work",
    ]
    assert len(list((vmail / "other.test/new").glob("[nc]*/*"))) == 1
    await store.close()
