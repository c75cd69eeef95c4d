"""`mailhub backup` beside a running server, and `mailhub restore` of all of it."""

import asyncio
import json
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


async def test_all_of_it_comes_back(tmp_path: Path) -> None:
    """Octets, UIDs, UIDVALIDITY, flags, keywords, dates; folders that are empty too."""
    old = await host(tmp_path / "old")
    try:
        await asyncio.to_thread(old.fill, ANN, "Work.More", 40)
        await asyncio.to_thread(old.send, BOB, *[letter(f"hello {n}") for n in range(10)])
        made = json.loads(await old.run("backup", str(old.backups), "--json"))
        assert made["backup"]["passed_over"] == []
        before = {account: await asyncio.to_thread(old.seen, account) for account in (ANN, BOB)}
        assert "whole" in await old.run("backup", str(old.backups), "--verify")
    finally:
        await old.server.stop()
    new = Host(tmp_path / "new")
    done = json.loads(await new.run("restore", str(old.backups), "--json"))
    assert (done["failed"], done["messages"]) == (0, 50)
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
