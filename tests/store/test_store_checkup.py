"""What other programs, operators and disks can do to a mailbox: each is found, mended, and found no more."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.mailbox_room import ALICE, MailboxRoom, mailbox_room

from mailhub.model.mailbox import FLAGGED, SEEN, View

HOME = "mail/mailhub.test/alice/Maildir"
TEXT = b"Subject: %d\r\n\r\nhello\r\n"


def edit_name(home: Path) -> None:
    path = file_of(home, "Subject: 1")
    path.rename(f"{path}S")


def lose_a_file(home: Path) -> None:
    file_of(home, "Subject: 1").unlink()


def add_a_file(home: Path) -> None:
    (home / "cur" / "1.x.host:2,F").write_bytes(b"Subject: new\n\nx\n")


def double(home: Path) -> None:
    path = file_of(home, "Subject: 1")
    (home / "cur" / f"{path.name}F").write_bytes(path.read_bytes())


def two_of_one_name(home: Path) -> None:
    path = file_of(home, "Subject: 1")
    (home / "new" / path.name.partition(":")[0]).write_bytes(b"Subject: another\r\n\r\n")


def shorten(home: Path) -> None:
    os.truncate(file_of(home, "Subject: 1"), 15)


def leave_something(home: Path) -> None:
    (home / "tmp" / "1.old.host").write_bytes(b"Sub")
    os.utime(home / "tmp" / "1.old.host", (1_000, 1_000))
    (home / "tmp" / "1.fresh.host").write_bytes(b"Sub")
    os.utime(home / "tmp" / "1.fresh.host", (4_000_000_000, 4_000_000_000))


def spoil_the_list(home: Path) -> None:
    path = home / "dovecot-uidlist"
    path.write_text(path.read_text().replace("\n2 :", "\n7 :"))


def lose_the_list(home: Path) -> None:
    (home / "dovecot-uidlist").unlink()


def make_a_folder(home: Path) -> None:
    for sub in ("new", "cur", "tmp"):
        (home / ".New.Sub" / sub).mkdir(parents=True)


def take_a_folder(home: Path) -> None:
    for sub in ("cur", "new", "tmp"):
        (home / ".New" / sub).rmdir()


def miscount(home: Path) -> None:
    db = sqlite3.connect(home.parents[3] / "mailhub.db")
    db.execute("update folder set messages = 9, unseen = 8, size = 7 where name = 'INBOX'")
    db.commit()
    db.close()


def file_of(home: Path, words: str) -> Path:
    (path,) = (path for sub in ("new", "cur") for path in (home / sub).iterdir() if words.encode() in path.read_bytes())
    return path


DAMAGES: dict[Callable[[Path], None], tuple[str, ...]] = {
    edit_name: ("flags",),
    lose_a_file: ("row without file",),
    add_a_file: ("file without row",),
    double: ("double file",),
    two_of_one_name: ("double file",),
    shorten: ("size",),
    leave_something: ("leftover",),
    spoil_the_list: ("uidlist",),
    lose_the_list: ("uidlist",),
    make_a_folder: ("directory without folder",),
    take_a_folder: ("folder without directory",),
    miscount: ("counters",),
}


async def filled(it: MailboxRoom) -> View:
    await it.put(*(TEXT % n for n in range(3)), flags=FLAGGED, keywords=["Work"])
    await it.alice.create("New")
    await it.store.mailboxes.sync()
    folder = await it.alice.find("INBOX")
    return await it.store.mailboxes.view(folder.id)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_found_mended_and_found_no_more(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    async with mailbox_room(tmp_path) as it:
        before = await filled(it)
        assert await it.store.mailboxes.check(ALICE) == []
        damage(tmp_path / HOME)
        found = await it.store.mailboxes.check(ALICE)
        assert tuple(sorted({each.kind for each in found})) == DAMAGES[damage]
        assert found == await it.store.mailboxes.check(ALICE), "looking changes nothing"
        assert await it.store.mailboxes.repair(ALICE) == []
        assert await it.store.mailboxes.check(ALICE) == []
        after = await it.store.mailboxes.view(before.folder.id)
        left = [2 if damage is lose_a_file else 0]
        assert [uid for uid in before.uids if uid not in left] == [uid for uid in after.uids if uid <= 3]
        assert (after.folder.messages, after.folder.uidvalidity) == (len(after.uids), before.folder.uidvalidity)
        assert after.folder.modseq >= before.folder.modseq
        for uid, flags in zip(after.uids, after.flags, strict=True):
            async with await it.store.mailboxes.open(after.folder.id, uid) as message:
                assert (await message.read(0, 8)).startswith(b"Subject")
            if uid <= 3:
                assert flags & ~SEEN == before.flags[before.uids.index(uid)]


async def test_a_delivery_that_is_not_settled_is_nobodys_mistake(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        await filled(it)
        (tmp_path / HOME / "new" / "1.Q5R0.mx").write_bytes(b"Subject: x\r\n\r\n")
        (found,) = await it.store.mailboxes.check(ALICE)
        assert found.kind == "file without row", "the queue does not know it"
        db = sqlite3.connect(tmp_path / "mailhub.db")
        db.execute(
            "insert into recipient select 5, 0, 'a', null, 0, 0, null, '', 1, 0, 0, null, null, null, null, 0, '', '', 0, '', 0"
        )
        db.commit()
        db.close()
        assert await it.store.mailboxes.check(ALICE) == []
        await it.store.mailboxes.repair(ALICE)
        assert (tmp_path / HOME / "new" / "1.Q5R0.mx").exists()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from support.mailbox_room import ALICE, mailbox_room

async def main():
    async with mailbox_room(Path(sys.argv[1])) as it:
        def progress(done, total):
            if done >= int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
        await it.store.mailboxes.rebuild(ALICE, progress)

asyncio.run(main())
"""


@pytest.mark.parametrize("at", [1, 250, 450])
async def test_rebuild_that_is_killed_loses_nothing(tmp_path: Path, at: int) -> None:
    """UIDs, UIDVALIDITY, flags, keywords, dates, mod-sequences, tombstones: the same before, after the kill, and after another try."""

    async def picture(it: MailboxRoom) -> list[object]:
        found: list[object] = [await it.alice.subscriptions()]
        for folder in await it.alice.folders():
            view = await it.store.mailboxes.view(folder.id)
            gone = (await it.store.mailboxes.changes(folder.id, 0)).expunged
            rows = await it.store.mailboxes.rows(folder.id, list(view.uids), True)
            found.append((view.folder, view.uids, view.flags, view.modseqs, gone, rows))
        return found

    async with mailbox_room(tmp_path) as it:
        await it.put(*(TEXT % n for n in range(300)), keywords=["Work"])
        await it.put(*(TEXT % n for n in range(200)), folder="Archive", flags=SEEN)
        await it.remove([3, 4])
        await it.store.mailboxes.sync()
        before = await picture(it)
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, str(tmp_path), str(at)],
        env={**os.environ, "PYTHONPATH": f"tests{os.pathsep}."}, check=False, capture_output=True,
    )  # fmt: skip
    assert run.returncode == -9, run.stderr
    async with mailbox_room(tmp_path) as it:
        assert await picture(it) == before
        assert await it.store.mailboxes.check(ALICE) == []
        await it.store.mailboxes.rebuild(ALICE, lambda done, total: None)
        assert await picture(it) == before
