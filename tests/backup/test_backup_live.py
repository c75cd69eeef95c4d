"""Backups while mail comes in and its owner moves, marks and deletes it; and killed at moments of chance."""

import asyncio
import imaplib
import json
import random
import smtplib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.backing_up import ANN, BOB, Host, host, letter

pytestmark = pytest.mark.slow
LARGE = b"z" * 150_000  # above store.inline_limit: its body lies in spool/


class Traffic:
    """A sender, and Ann at her mail program, each in a thread until `stop`. `accepted`: subjects with a 250; `deleted`: those that Ann
    may have deleted, told before she does."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.accepted: list[str] = []
        self.deleted: set[str] = set()
        self.texts: dict[str, bytes] = {}
        self.errors: list[BaseException] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in (self._send, self._read)]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.errors.append(error)

    def _send(self) -> None:
        with smtplib.SMTP("127.0.0.1", self.host.server.ports["smtp"], timeout=60) as client:
            number = 0
            while not self._stopped.is_set():
                subject = f"live{number}"
                self.texts[subject] = letter(subject, LARGE if number % 7 == 3 else b"a" * (number % 900))
                client.sendmail("friend@far.test", [ANN], self.texts[subject])
                self.accepted.append(subject)
                number += 1

    def _read(self) -> None:
        dice = random.Random(7)
        session = self.host.imap()
        session.create("Moved")
        while not self._stopped.is_set():
            session.select("INBOX")
            uids = session.uid("SEARCH", "ALL")[1][0].split()
            if uids:
                self._act(session, dice.choice(("move", "copy", "flag", "delete")), dice.choice(uids).decode())
        session.logout()

    def _act(self, session: imaplib.IMAP4, deed: str, uid: str) -> None:
        if deed == "move":
            session.uid("MOVE", uid, "Moved")
        elif deed == "copy":
            session.uid("COPY", uid, "Moved")
        elif deed == "flag":
            session.uid("STORE", uid, "+FLAGS", "(\\Seen touched)")
        else:
            _, answer = session.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            self.deleted |= {subject_of(part[1]) for part in answer if isinstance(part, tuple)}
            session.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
            session.expunge()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
        assert self.errors == []


def partials(host: Host) -> list[Path]:
    """Backups that are under way, or were broken off."""
    return list(host.backups.glob("*.partial"))


def subject_of(text: bytes) -> str:
    return text.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode().strip()


def arrived(host: Host, account: str = ANN) -> dict[str, list[bytes]]:
    """Texts by subject, in all folders."""
    found: dict[str, list[bytes]] = {}
    for _, messages in host.seen(account).values():
        for _, _, _, text in messages.values():
            found.setdefault(subject_of(text), []).append(text)
    return found


async def audit(host: Host, traffic: Traffic, before: list[str]) -> None:
    """Nothing of what was accepted before is missing, and nothing that is there is not whole."""
    await host.emptied()
    found = await asyncio.to_thread(arrived, host)
    missing = [subject for subject in before if subject not in found and subject not in traffic.deleted]
    assert missing == []
    assert set(found) <= set(traffic.texts)
    for subject, texts in found.items():
        body = traffic.texts[subject].partition(b"\r\n\r\n")[2]
        assert all(text.partition(b"\r\n\r\n")[2] == body for text in texts), subject
    await host.run("mailbox", "check", ANN)


async def test_while_mail_comes_and_moves(tmp_path: Path) -> None:
    old = await host(tmp_path / "old")
    traffic = Traffic(old)
    cuts: list[tuple[str, list[str]]] = []
    try:
        traffic.start()
        for _ in range(2):
            await asyncio.sleep(0.3)
            before = list(traffic.accepted)
            made = json.loads(await old.run("backup", str(old.backups), "--json"))
            assert made["backup"]["passed_over"] == []
            cuts.append((made["backup"]["name"], before))
        await asyncio.to_thread(traffic.stop)
    finally:
        traffic._stopped.set()
        await old.server.stop()
    assert len(cuts[-1][1]) > 20
    for number, (name, before) in enumerate(cuts):
        await old.run("backup", str(old.backups), "--verify", "--at", name)
        new = Host(tmp_path / f"new{number}")
        done = json.loads(await new.run("restore", str(old.backups), "--at", name, "--json"))
        assert done["failed"] == 0
        await new.server.start()
        try:
            await audit(new, traffic, before)
        finally:
            await new.server.stop()


async def test_killed_backups_leave_earlier_ones_whole(tmp_path: Path) -> None:
    dice = random.Random(11)
    old = await host(tmp_path / "old")
    try:
        for number in range(2):
            await asyncio.to_thread(old.fill, ANN, f"Folder{number}", 60)
        await old.run("backup", str(old.backups), "--json")
        whole = {found["name"] for found in json.loads(await old.run("backup", str(old.backups), "--list", "--json"))}
        broken = 0
        for number in range(5):
            await asyncio.to_thread(old.fill, BOB, f"More{number}", 30)
            done = await old.killed(
                "backup", str(old.backups), began=lambda: bool(partials(old)), delay=dice.random() * 0.03 * number
            )
            found = json.loads(await old.run("backup", str(old.backups), "--list", "--json"))
            now = {each["name"] for each in found if each["whole"]}
            assert whole <= now
            assert (1 if done else 0) <= len(now) - len(whole) <= 1
            broken += any(not each["whole"] for each in found)
            whole = now
        await old.run("backup", str(old.backups), "--verify")
        assert broken > 0, "none was killed in the middle: the moments want to be others"
        made = json.loads(await old.run("backup", str(old.backups), "--json"))
        found = json.loads(await old.run("backup", str(old.backups), "--list", "--json"))
        assert all(each["whole"] for each in found), "broken ones are taken away by the next"
        seen = {account: await asyncio.to_thread(old.seen, account) for account in (ANN, BOB)}
        assert made["backup"]["messages"] == sum(len(each[1]) for folders in seen.values() for each in folders.values())
        await old.run("backup", str(old.backups), "--verify")
    finally:
        await old.server.stop()


async def test_a_killed_restore_goes_on_and_no_server_starts_on_half(tmp_path: Path) -> None:
    dice = random.Random(5)
    old = await host(tmp_path / "old")
    try:
        for number in range(2):
            await asyncio.to_thread(old.fill, ANN, f"Folder{number}", 60)
        seen = await asyncio.to_thread(old.seen)
        await old.run("backup", str(old.backups))
    finally:
        await old.server.stop()
    new = Host(tmp_path / "new")
    halves = 0
    for number in range(5):
        await new.killed(
            "restore",
            str(old.backups),
            began=(new.data / "restore.unfinished").exists,
            delay=dice.random() * 0.01 * number,
        )
        if not (new.data / "restore.unfinished").exists():
            break  # it was done in that time
        halves += 1
    assert halves > 0, "none was killed in the middle: the moments want to be others"
    if (new.data / "restore.unfinished").exists():
        assert "run the same `mailhub restore` again" in await new.run("serve", code=1)
        await new.run("restore", str(old.backups))
    assert not (new.data / "restore.unfinished").exists()
    await new.server.start()
    try:
        assert await asyncio.to_thread(new.seen) == seen
        await new.run("mailbox", "check", ANN)
    finally:
        await new.server.stop()
    assert "is not empty" in await new.run("restore", str(old.backups), code=4)
