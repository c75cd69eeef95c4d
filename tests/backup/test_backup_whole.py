"""`mailhub backup` beside a running server, and `mailhub restore` of all of it."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from support.backing_up import ANN, BOB, Host, host, letter

from mailhub.store.backup.whole import GAP

pytestmark = pytest.mark.slow


def arrived(host: Host, account: str) -> list[int]:
    """UIDs of the inbox, once there is one more than ten."""
    session = host.imap(account)
    session.select("INBOX")
    uids: list[int] = []
    while len(uids) < 11:
        session.noop()
        uids = [int(uid) for uid in session.uid("SEARCH", "ALL")[1][0].split()]
    session.logout()
    return uids


def browsers(host: Host, *, sign_in: bool = False) -> int:
    """How many are signed in, after one more."""
    with contextlib.closing(sqlite3.connect(host.data / "mailhub.db", isolation_level=None, timeout=20)) as db:
        if sign_in:
            db.execute("insert into browser values (1, 'digest', 'id', ?, 'stamp', 1, 1, 1, '', '')", (ANN,))
        return int(db.execute("select count(*) from browser").fetchone()[0])


async def test_all_of_it_comes_back(tmp_path: Path) -> None:
    """Octets, UIDs, UIDVALIDITY, flags, keywords, dates; folders that are empty too."""
    old = await host(tmp_path / "old")
    try:
        await asyncio.to_thread(old.fill, ANN, "Work.More", 40)
        await asyncio.to_thread(old.send, BOB, *[letter(f"hello {n}") for n in range(10)])
        await old.emptied()
        before = {account: await asyncio.to_thread(old.seen, account) for account in (ANN, BOB)}
        await asyncio.to_thread(browsers, old, sign_in=True)
        made = json.loads(await old.run("backup", str(old.backups), "--json"))
        assert made["backup"]["passed_over"] == []
        assert "whole" in await old.run("backup", str(old.backups), "--verify")
    finally:
        await old.server.stop()
    new = Host(tmp_path / "new")
    done = json.loads(await new.run("restore", str(old.backups), "--json"))
    assert (done["failed"], done["messages"]) == (0, 50)
    assert await asyncio.to_thread(browsers, new) == 0, "who has signed out since stays so"
    await new.server.start()
    try:
        assert {account: await asyncio.to_thread(new.seen, account) for account in (ANN, BOB)} == before
        for account in (ANN, BOB):
            await new.run("mailbox", "check", account)
        # what a client was told after the backup is told of nothing else: UIDs go on behind a gap
        await asyncio.to_thread(new.send, BOB, letter("later"))
        (uid,) = set(await asyncio.to_thread(arrived, new, BOB)) - set(before[BOB]["INBOX"][1])
        assert uid > max(before[BOB]["INBOX"][1]) + GAP
    finally:
        await new.server.stop()


def resynced(host: Host, known: tuple[int, int], uids: str) -> tuple[set[int], dict[int, str]]:
    """What a client is told that was away (RFC 7162): UIDs that vanished, flags by UID."""
    session = host.imap()
    session.xatom("ENABLE", "QRESYNC")
    typ, _ = session.xatom("SELECT", "INBOX", f"(QRESYNC ({known[0]} {known[1]} {uids}))")
    assert typ == "OK"
    vanished = b" ".join(session.untagged_responses.get("VANISHED", [])).decode().partition(") ")[2]
    gone: set[int] = set()
    for part in filter(None, vanished.split(",")):
        low, _, high = part.partition(":")
        gone |= set(range(int(low), int(high or low) + 1))
    flags = {}
    for line in session.untagged_responses.get("FETCH", []):
        words = line.decode().replace("(", " ").replace(")", " ").split()
        flags[int(words[words.index("UID") + 1])] = line.decode().partition("FLAGS (")[2].partition(")")[0]
    session.shutdown()
    return gone, flags


def changed_since(host: Host) -> tuple[int, int]:
    """Ann goes on after the backup; UIDVALIDITY and HIGHESTMODSEQ as her program knows them at last."""
    session = host.imap()
    session.select("INBOX")
    session.uid("STORE", "2", "+FLAGS", "(\\Flagged)")
    session.append("INBOX", "", "", letter("came after it"))
    session.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
    session.expunge()
    _, answer = session.status("INBOX", "(UIDVALIDITY HIGHESTMODSEQ)")
    words = answer[0].decode().replace("(", " ").replace(")", " ").split()
    session.logout()
    return int(words[words.index("UIDVALIDITY") + 1]), int(words[words.index("HIGHESTMODSEQ") + 1])


async def test_a_client_that_saw_more_than_the_backup_is_put_right(tmp_path: Path) -> None:
    old = await host(tmp_path / "old")
    try:
        await asyncio.to_thread(old.fill, ANN, "INBOX", 5)
        await old.run("backup", str(old.backups))
        known = await asyncio.to_thread(changed_since, old)
    finally:
        await old.server.stop()
    new = Host(tmp_path / "new")
    await new.run("restore", str(old.backups))
    await new.server.start()
    try:
        gone, flags = await asyncio.to_thread(resynced, new, known, "2:6")
        assert 6 in gone
        assert not gone & set(range(1, 6))
        assert set(flags) == {2, 3, 4, 5}  # of those that it said it knows
        assert "\\Flagged" not in flags[2]
    finally:
        await new.server.stop()
