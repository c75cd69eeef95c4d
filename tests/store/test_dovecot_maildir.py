"""A Maildir goes from a real Dovecot 2.3 to mailhub and home again: each shows what the other left, to the UID."""

import asyncio
import imaplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from support.daemons import short_folder
from support.dovecot_imap import Message, dovecot_imap, listed, messages, uidvalidity
from support.imap_server import imap_server
from support.mailbox_room import mailbox_room

HOME = "mail/mailhub.test/alice/Maildir"
# INBOX, levels, modified UTF-7, and whatever else a client may think of
FOLDERS = ("INBOX", "A", "A.B.C", "Entw&APw-rfe", "&U,BTFw-.&ZeVnLIqe-", "x y%z", "it's", "&-", "[Gmail]", "a~b")
DATE = '" 1-Jan-2020 10:00:00 +0000"'
T = TypeVar("T")


@dataclass
class Picture:
    """What an IMAP client sees of an account."""

    folders: dict[str, tuple[int, dict[int, Message]]]
    subscribed: set[str]


def picture(session: imaplib.IMAP4) -> Picture:
    names = sorted(listed(session, "LIST") & set(FOLDERS))
    return Picture(
        {name: (uidvalidity(session, quoted(name)), messages(session, quoted(name))) for name in names},
        listed(session, "LSUB") & set(FOLDERS),
    )


def quoted(name: str) -> str:
    return f'"{name}"'


def text(n: int) -> bytes:
    return b"Subject: %d\r\nX-Long: %s\r\n\r\n" % (n, b"x" * 60) + b"line %d\r\n" % n * (n + 1)


def ok(answer: tuple[str, list[object]]) -> None:
    assert answer[0] == "OK", answer


def fill(session: imaplib.IMAP4) -> None:
    """Folders, messages with flags and keywords, holes in the UIDs, names no client is subscribed to."""
    for number, name in enumerate(FOLDERS):
        if name != "INBOX":
            ok(session.create(quoted(name)))
        if number % 2 == 0:
            ok(session.subscribe(quoted(name)))
        for n in range(5):
            flags = ("", "\\Seen", "\\Flagged Work", "\\Answered $Label1 \\Seen", "\\Draft Work Third")[n]
            ok(session.append(quoted(name), f"({flags})", DATE if n % 2 else None, text(n)))
        ok(session.select(quoted(name)))
        ok(session.store("2,5", "+FLAGS", "(\\Deleted)"))
        ok(session.expunge())


@pytest.fixture
def room() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


async def in_mailhub(data: Path, ask: Callable[[imaplib.IMAP4], T]) -> T:
    def talk(port: int) -> T:
        with imaplib.IMAP4("127.0.0.1", port) as session:
            session.login("alice", "secret")
            return ask(session)

    async with imap_server(data) as server:
        return await asyncio.to_thread(talk, server.port)


def in_dovecot(data: Path, room: Path, ask: Callable[[imaplib.IMAP4], T]) -> T:
    with dovecot_imap(data / HOME, room) as session:
        return ask(session)


async def test_from_dovecot_to_mailhub_and_home(tmp_path: Path, room: Path) -> None:
    def change(session: imaplib.IMAP4) -> Picture:
        """Flags, keywords old and new, a copy, a move, an expunge, an append."""
        ok(session.select("INBOX"))
        ok(session.uid("STORE", "1", "+FLAGS", "(\\Seen Fourth work)"))
        ok(session.uid("STORE", "3", "-FLAGS", "(\\Flagged)"))
        ok(session.uid("COPY", "1,3", quoted("A.B.C")))
        ok(session.append("INBOX", "(Fifth)", DATE, text(7)))
        ok(session.select(quoted("x y%z")))
        ok(session.uid("MOVE", "3", quoted("&-")))
        ok(session.uid("STORE", "1", "+FLAGS", "(\\Deleted)"))
        ok(session.expunge())
        ok(session.unsubscribe(quoted("A.B.C")))
        ok(session.subscribe(quoted("A")))
        return picture(session)

    in_dovecot(tmp_path, room, fill)
    before = in_dovecot(tmp_path, room, picture)
    assert set(before.folders) == set(FOLDERS)
    assert [len(found) for _, found in before.folders.values()] == [3] * len(FOLDERS)
    files = {path.name.partition(":")[0] for path in (tmp_path / HOME).rglob("*:2,*")}
    assert all(",W=" in name for name in files)

    assert await in_mailhub(tmp_path, picture) == before
    assert in_dovecot(tmp_path, room, picture) == before, "mailhub has looked, and nothing has changed"
    changed = await in_mailhub(tmp_path, change)
    assert changed != before
    assert in_dovecot(tmp_path, room, picture) == changed
    again = in_dovecot(tmp_path, room, change_in_dovecot)
    assert await in_mailhub(tmp_path, picture) == again
    assert in_dovecot(tmp_path, room, picture) == again


def change_in_dovecot(session: imaplib.IMAP4) -> Picture:
    """While mailhub is away: a new keyword, a UID given and taken away again, new mail."""
    ok(session.select("INBOX"))
    ok(session.uid("STORE", "1", "+FLAGS", "(Sixth)"))
    ok(session.append("INBOX", "(\\Seen)", DATE, text(8)))
    ok(session.append("INBOX", "()", DATE, text(9)))
    ok(session.noop())
    ok(session.store("*", "+FLAGS", "(\\Deleted)"))
    ok(session.expunge())
    return picture(session)


async def test_a_uid_that_dovecot_gave_and_took_is_not_given_again(tmp_path: Path, room: Path) -> None:
    in_dovecot(tmp_path, room, fill)
    await in_mailhub(tmp_path, picture)
    in_dovecot(tmp_path, room, change_in_dovecot)

    def next_uid(session: imaplib.IMAP4) -> bytes:
        _, answer = session.append("INBOX", "()", DATE, text(1))
        return answer[0].split()[2].rstrip(b"]")

    assert await in_mailhub(tmp_path, next_uid) == b"8", "5 by Dovecot at first, 6 and 7 while mailhub was away"


async def test_from_mailhub_to_dovecot(tmp_path: Path, room: Path) -> None:
    await in_mailhub(tmp_path, fill)
    before = await in_mailhub(tmp_path, picture)
    assert in_dovecot(tmp_path, room, picture) == before


async def test_mail_in_new_and_without_sizes_in_names(tmp_path: Path, room: Path) -> None:
    """What an MTA dropped, with LF and with CRLF at line ends; a name whose S= stands before other words."""
    new = tmp_path / HOME / "new"
    for folder in ("new", "cur", "tmp"):
        (tmp_path / HOME / folder).mkdir(parents=True)
    (new / "1700000000.M1P1.host").write_bytes(b"Subject: lf\n\nbody\n" * 9_000)
    (new / "1700000001.M2P1.host,S=20").write_bytes(b"Subject: crlf\r\n\r\nbo\n")
    (new.parent / "cur" / "1700000002.M3P1.host:2,SF").write_bytes(b"Subject: letters out of order\n\n\n")
    before = in_dovecot(tmp_path, room, picture)
    assert sorted(before.folders["INBOX"][1]) == [1, 2, 3]
    assert (await in_mailhub(tmp_path, picture)).folders == before.folders
    assert in_dovecot(tmp_path, room, picture).folders == before.folders


async def test_identities_that_dovecot_gave_stay_in_its_list(tmp_path: Path, room: Path) -> None:
    in_dovecot(tmp_path, room, fill)
    path = tmp_path / HOME / "dovecot-uidlist"
    head, first, *rest = path.read_text().splitlines()
    uid, _, name = first.partition(" :")
    path.write_text("\n".join([head, f"{uid} W999 Gabcdef0123 Pold-uidl :{name}", *rest]) + "\n")
    await in_mailhub(tmp_path, picture)
    lines = path.read_text().splitlines()
    assert lines[0].split()[3] == head.split()[3]
    assert lines[1] == f"{uid} W999 Gabcdef0123 Pold-uidl :{name}"


async def test_a_list_is_not_written_before_its_uids_are_in_the_index(tmp_path: Path, room: Path) -> None:
    """A crash comes in the middle of taking a Maildir in."""
    in_dovecot(tmp_path, room, fill)
    before = in_dovecot(tmp_path, room, picture)
    async with mailbox_room(tmp_path) as it:
        writer = it.store._writer
        real, seen = writer.do, 0

        def crashing(unit: object) -> object:
            nonlocal seen
            seen += type(unit).__name__ == "Enter"
            if seen > 1:
                raise OSError("the machine is off")
            return real(unit)  # type: ignore[arg-type]

        writer.do = crashing  # type: ignore[assignment,method-assign]
        with pytest.raises(OSError, match="off"):
            await it.store.mailboxes.folders("alice@mailhub.test")
        writer.do = real  # type: ignore[method-assign]
    assert await in_mailhub(tmp_path, picture) == before


async def test_courier_counts_what_is_there(tmp_path: Path) -> None:
    """maildirsize of Courier's quota keeps its limits; its sums are made new where mail changes."""
    home = tmp_path / HOME
    for folder in ("new", "cur", "tmp"):
        (home / folder).mkdir(parents=True)
    (home / "maildirsize").write_text("1000000S,500C\n      123456      99\n 10 1\n")

    def append(session: imaplib.IMAP4) -> None:
        ok(session.append("INBOX", "()", None, text(1)))
        ok(session.append("Trash", "()", None, text(2)))

    await in_mailhub(tmp_path, append)
    head, sums = (home / "maildirsize").read_text().splitlines()
    assert head == "1000000S,500C"
    assert sums.split() == [str(len(text(1))), "1"]
