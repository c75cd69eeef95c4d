"""An account, a folder, a message brought back into a running server, as a client of IMAP sees it; to a point in time."""

import asyncio
import json
import random
from pathlib import Path

import pytest
from support.backing_up import ANN, BOB, Host, Seen, host, letter

pytestmark = pytest.mark.slow


def texts(seen: Seen, folder: str) -> list[bytes]:
    return sorted(text for _, _, _, text in seen[folder][1].values())


def without(host: Host, folder: str, *uids: int) -> None:
    """Ann deletes messages."""
    session = host.imap()
    session.select(folder)
    session.uid("STORE", ",".join(map(str, uids)), "+FLAGS", "(\\Deleted)")
    session.expunge()
    session.logout()


async def test_what_was_deleted_comes_back_online(tmp_path: Path) -> None:
    here = await host(tmp_path)
    try:
        await asyncio.to_thread(here.fill, ANN, "Work", 12)
        await asyncio.to_thread(here.fill, ANN, "Work.Entw&APw-rfe", 5)
        await asyncio.to_thread(here.fill, ANN, "INBOX", 6)
        before = await asyncio.to_thread(here.seen)
        await here.run("backup", str(here.backups))
        restore = ("restore", str(here.backups), "--account", ANN, "--json")

        # a folder that is gone: as it was, UIDs and UIDVALIDITY too, seen by a session that is open all the time
        session = await asyncio.to_thread(here.imap)
        await asyncio.to_thread(session.delete, "Work.Entw&APw-rfe")
        done = json.loads(await here.run(*restore, "--folder", "Work.Entwürfe"))
        assert (done["messages"], done["failed"]) == (5, 0)
        assert await asyncio.to_thread(session.select, "Work.Entw&APw-rfe", True) == ("OK", [b"5"])
        assert (await asyncio.to_thread(here.seen))["Work.Entw&APw-rfe"] == before["Work.Entw&APw-rfe"]

        # two messages of a folder that is there: they alone, with new UIDs; the session that looks at it is told
        await asyncio.to_thread(session.select, "Work")
        await asyncio.to_thread(without, here, "Work", 3, 7)
        await asyncio.to_thread(session.noop)
        assert len((await asyncio.to_thread(here.seen))["Work"][1]) == 10
        done = json.loads(await here.run(*restore, "--folder", "Work"))
        assert done["messages"] == 2
        await asyncio.to_thread(session.noop)
        assert session.untagged_responses["EXISTS"][-1] == b"12"
        now = await asyncio.to_thread(here.seen)
        assert texts(now, "Work") == texts(before, "Work")
        assert {uid: now["Work"][1][uid] for uid in range(1, 13) if uid not in (3, 7)} == {
            uid: message for uid, message in before["Work"][1].items() if uid not in (3, 7)
        }
        assert [now["Work"][1][uid] for uid in (13, 14)] == [before["Work"][1][uid] for uid in (3, 7)]
        assert json.loads(await here.run(*restore, "--folder", "Work"))["messages"] == 0  # and not twice

        # one message, and no reply to it, by its UID and by its Message-ID, into a folder of its own
        await here.run(*restore, "--folder", "Work", "--message", "5", "--into", "Restored")
        reply = letter("a reply").replace(b"Subject", b"In-Reply-To: <INBOX-2@far.test>\r\nSubject")
        await asyncio.to_thread(here.send, ANN, reply)
        await here.emptied()
        before = await asyncio.to_thread(here.seen)
        before.pop("Restored")
        await here.run("backup", str(here.backups))
        await here.run(*restore, "--message", "<INBOX-2@far.test>", "--into", "Restored")
        now = await asyncio.to_thread(here.seen)
        assert texts(now, "Restored") == sorted([before["Work"][1][5][3], before["INBOX"][1][3][3]])

        # flags and keywords are those of each message, also where they come from several folders
        await here.run(*restore, "--into", "Aside")
        now = await asyncio.to_thread(here.seen)
        for folder in ("INBOX", "Work", "Work.Entw&APw-rfe"):
            assert list(now[f"Aside.{folder}"][1].values()) == list(before[folder][1].values())

        # the whole account: only what is missing anywhere
        await asyncio.to_thread(without, here, "INBOX", 1)
        await asyncio.to_thread(session.delete, "Work.Entw&APw-rfe")
        assert json.loads(await here.run(*restore))["messages"] == 6
        now = await asyncio.to_thread(here.seen)
        assert {folder: texts(now, folder) for folder in before} == {folder: texts(before, folder) for folder in before}
        assert await here.run("mailbox", "check", ANN) == ""
        await asyncio.to_thread(session.logout)
    finally:
        await here.server.stop()


async def test_an_account_that_is_gone_comes_back_as_it_was(tmp_path: Path) -> None:
    here = await host(tmp_path)
    try:
        await asyncio.to_thread(here.fill, ANN, "Work", 7)
        await asyncio.to_thread(here.fill, ANN, "INBOX", 7)
        before = await asyncio.to_thread(here.seen)
        await here.run("backup", str(here.backups))
        (tmp_path / "mine.sieve").write_text("keep;\n")
        await here.run("sieve", "put", ANN, "mine", str(tmp_path / "mine.sieve"))
        await here.run("sieve", "activate", ANN, "mine")
        await here.run("quota", "set", ANN, "--storage", "5000000")
        await here.run("backup", str(here.backups))
        await here.run("user", "remove", ANN)
        home = here.data / "mail" / "example.test" / "ann"
        home.rename(tmp_path / "gone")
        (tmp_path / "password").write_text("an easy password\n")
        said = await here.run("restore", str(here.backups), "--account", ANN, "--folder", "Work", code=3)
        assert f"no account {ANN}" in said
        await here.run("restore", str(here.backups), "--account", ANN)
        assert await asyncio.to_thread(here.seen) == before
        assert (await here.run("sieve", "get", ANN, "mine")).strip() == "keep;"
        assert json.loads(await here.run("sieve", "list", ANN, "--json"))[0]["active"]
        assert json.loads(await here.run("quota", "get", ANN, "--json"))["storage_limit"] == 5_000_000
    finally:
        await here.server.stop()


async def test_a_point_in_time_and_what_is_not_there(tmp_path: Path) -> None:
    here = await host(tmp_path)
    try:
        names = []
        for number in range(3):
            await asyncio.to_thread(here.fill, BOB, f"Folder{number}", 2)
            made = json.loads(
                await here.run("backup", str(here.backups), "--json", *(["--keep", "2"] if number == 2 else []))
            )
            names.append(made["backup"]["name"])
        assert made["pruned"] == names[:1]
        found = json.loads(await here.run("backup", str(here.backups), "--list", "--json"))
        assert [(each["name"], each["messages"]) for each in found] == [(names[1], 4), (names[2], 6)]
        restore = ("restore", str(here.backups), "--account", BOB, "--json")
        assert "no backup is that old" in await here.run(*restore, "--at", names[0], code=3)
        assert "has no folder Folder2" in await here.run(*restore, "--at", names[1], "--folder", "Folder2", code=3)
        await here.run(*restore, "--at", names[2], "--folder", "Folder2")
        assert "no mail of nobody@example.test" in await here.run(
            "restore", str(here.backups), "--account", "nobody@example.test", code=3
        )
        assert "no such message" in await here.run(*restore, "--message", "<none@far.test>", code=3)
        assert "a server runs there" in await here.run("restore", str(here.backups), code=5)
        assert "no folder of backups" in await here.run("backup", str(tmp_path / "none"), "--list", code=3)
        assert "holds other things" in await here.run("backup", str(here.data), code=1)
        await here.run("restore", str(here.backups), "--folder", "INBOX", code=2)
    finally:
        await here.server.stop()


async def test_the_second_backup_costs_what_came_since(tmp_path: Path) -> None:
    here = await host(tmp_path)
    try:
        await asyncio.to_thread(here.fill, ANN, "Work", 30)
        first = json.loads(await here.run("backup", str(here.backups), "--json"))["backup"]
        session = await asyncio.to_thread(here.imap)
        session.select("Work")
        session.uid("MOVE", "1:10", "INBOX")
        session.uid("STORE", "11:20", "+FLAGS", "(\\Flagged)")
        session.logout()
        text = letter("new", b"n" * 5000)
        await asyncio.to_thread(here.send, BOB, text)
        await here.emptied()
        await here.run("mailbox", "sync")
        second = json.loads(await here.run("backup", str(here.backups), "--json"))["backup"]
        assert first["new_octets"] > 100_000
        assert len(text) < second["new_octets"] < len(text) + 10_000  # the lists beside the mail, and Received
        assert second["messages"] == 31
        await here.run("backup", str(here.backups), "--verify")
    finally:
        await here.server.stop()


async def test_a_killed_restore_of_a_part_goes_on(tmp_path: Path) -> None:
    here = await host(tmp_path)
    dice = random.Random(3)
    home = here.data / "mail" / "example.test" / "ann" / "Maildir"
    try:
        await asyncio.to_thread(here.fill, ANN, "Work", 60)
        await asyncio.to_thread(here.fill, ANN, "INBOX", 60)
        before = await asyncio.to_thread(here.seen)
        await here.run("backup", str(here.backups))
        session = await asyncio.to_thread(here.imap)
        await asyncio.to_thread(session.delete, "Work")
        await asyncio.to_thread(session.logout)
        await asyncio.to_thread(without, here, "INBOX", *range(1, 31))
        await here.run("mailbox", "sync")
        restore = ("restore", str(here.backups), "--account", ANN)
        whole, there = 0, len(list((home / "cur").iterdir()))

        def more() -> bool:
            return len(list((home / "cur").iterdir())) > there

        for number in range(4):
            whole += await here.killed(*restore, began=more, delay=dice.random() * 0.02 * number)
            await asyncio.to_thread(here.seen)  # a client looks in between
        assert whole < 4, "none was killed in the middle: the moments want to be others"
        await here.run(*restore)
        now = await asyncio.to_thread(here.seen)
        assert {folder: texts(now, folder) for folder in now} == {folder: texts(before, folder) for folder in before}
        assert now["Work"] == before["Work"]
        assert await here.run("mailbox", "check", ANN) == ""
    finally:
        await here.server.stop()
