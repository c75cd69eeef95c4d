"""A site with some of everything, and what there is to be seen of it, for moves from one kind of store to the other."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import MailParameters
from mailhub.model.mailbox import FLAGGED, SEEN, FlagOp, Glimpse
from mailhub.model.reply import Reply
from mailhub.store.api import (
    AnnotationLimits,
    Body,
    Fate,
    NewContent,
    NewItem,
    NewMessage,
    NewRecipient,
    Outcome,
    Place,
    QueueFilter,
    Settle,
)
from mailhub.store.migrate.tables import TABLES, Table
from mailhub.store.sqlite.junk import connected
from mailhub.store.sqlite.schema import connect

from .imap_memory import MemoryServer, served

ALICE, BOB, CAROL = "alice@mailhub.test", "bob@mailhub.test", "carol@mailhub.test"
MESSAGES = 230  # of a folder: more than a page
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 10_000 + b"\r\n"
_OF_MAIL = (
    "subscriptions",
    "access control lists",
    "annotations",
    "keys of URLs",
    "tombstones",
    "previews",
    "quota limits",
)


def letter(n: int) -> bytes:
    return b"Subject: number %d\r\nFrom: x@example.org\r\n\r\nThis is message %d.\r\n" % (n, n)


def message(text: bytes, date: int, flags: int = 0, keywords: tuple[str, ...] = ()) -> NewMessage:
    return NewMessage(Body(len(text), text), date, b"(E)", b"(B)", flags=flags, keywords=keywords)


async def fill(store: Any, data: Path) -> None:
    """An embedded store and what lies below it."""
    dovecot(data / "mail/mailhub.test/carol/Maildir")
    boxes = store.mailboxes
    (inbox,) = await boxes.folders(ALICE)
    for start in range(0, MESSAGES, 50):
        numbers = range(start, min(start + 50, MESSAGES))
        some = [
            message(letter(n), 1_600_000_000 + n, SEEN * (n % 2), (f"$K{n % 30}",) if n % 3 else ()) for n in numbers
        ]
        await boxes.append(inbox.id, some)
    writer = store.queue.body_writer()
    writer.feed(LARGE)
    body = await writer.finish()
    work = await boxes.create(ALICE, "Wörk & Co.Ünder")
    await boxes.append(work.id, [NewMessage(body, 1_500_000_000, b"(L)", b"(M)", flags=FLAGGED)])
    await boxes.create(ALICE, "Sent", "\\Sent")
    for name in ("a", "a ", "A", "ä", "a\u0308", "\U0001f4ee"):
        other = await boxes.create(BOB, name)
        await boxes.append(other.id, [message(letter(1), 1_600_000_000)])
    await boxes.copy(inbox.id, [1, 2, 3], work.id)
    await boxes.move(inbox.id, [10, 11], work.id)
    await boxes.expunge(inbox.id, [20, 21, 22])
    await boxes.set_flags(inbox.id, [30, 31], FlagOp.ADD, FLAGGED, ("later",))
    await boxes.set_subscribed(ALICE, "gone", True)
    await boxes.set_limits(ALICE, 10_000_000, None)
    await store.sharing.change_acl(work.id, BOB, FlagOp.REPLACE, "lrs", 100)
    limits = AnnotationLimits(100, 100_000)
    await store.sharing.annotate({Place(ALICE, work.id, True): [("/Comment", b"\x00mine")]}, limits)
    await boxes.url_key(work.id)
    await boxes.keep_glimpses(inbox.id, {5: Glimpse("T5", "the first words, ß")})
    await boxes.folders(CAROL)
    await _queue(store)


async def _queue(store: Any) -> None:
    await put(store, 1, "x@example.org", "y@example.org")
    held = await put(store, 2, "z@example.org", held=True)
    assert held is not None
    writer = store.queue.body_writer()
    writer.feed(LARGE)
    large = NewContent(store.queue.new_id(), b"Received: there\r\n", await writer.finish())
    number = store.queue.new_id()
    item = await store.queue.put(
        NewItem(number, large, "s@example.org", (NewRecipient(0, "late@example.com"), NewRecipient(1, BOB)), 1_600_000_000.5,
                1_600_000_000.25, parameters=MailParameters(envid="abc"))
    )  # fmt: skip
    later = Outcome(0, Fate.DEFERRED, Reply(451, "4.3.0", "Later, gewiß"), due=4_000_000_000.5, remote="mx.example.com")
    await store.queue.settle(Settle(item.id, item.lease, (later,), reached=("reached@example.com",)))
    await store.queue.release(item.id, item.lease)


async def put(store: Any, n: int, *recipients: str, held: bool = False) -> Any:
    number = store.queue.new_id()
    content = NewContent(number, b"Received: here\r\n", Body(len(letter(n)), letter(n)))
    item = NewItem(number, content, "s@example.org", tuple(NewRecipient(k, r) for k, r in enumerate(recipients)),
                   1_600_000_000.0, 1_600_000_000.0, held=held)  # fmt: skip
    made = await store.queue.put(item)
    if made.lease:
        await store.queue.release(made.id, made.lease)
    return made


def dovecot(maildir: Path) -> None:
    """Another server's Maildir: lines that end with LF alone, a name with the file's size, ids of a POP3 server before it."""
    for sub in ("tmp", "new", "cur"):
        (maildir / sub).mkdir(parents=True)
    text = letter(7).replace(b"\r\n", b"\n")
    (maildir / "cur" / f"7.a.b,S={len(text)}:2,S").write_bytes(text)
    (maildir / "new" / "8.a.b").write_bytes(letter(8))
    (maildir / "dovecot-uidlist").write_text(
        f"3 V1500000000 N90 G{'0123456789abcdef' * 2}\n5 Pold-5 :7.a.b,S={len(text)}\n80 :8.a.b\n"
    )


def fill_tables(data: Path, rows: int = 210) -> None:
    """Rows in all tables but those of mail, behind the store's back."""
    for table in TABLES:
        if table.name not in _OF_MAIL:
            db = connected(str(data / "junk.db")) if table.junk else connect(str(data / "mailhub.db"))
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            places = ", ".join("?" * len(table.columns))
            db.executemany(
                f"insert or replace into {table.embedded} ({names}) values ({places})",
                [_row(table, n) for n in range(1, rows)],
            )
            db.close()


def _row(table: Table, n: int) -> Sequence[object]:
    kinds = {"t": f"wört{n:05}", "b": b"\x00\xff%d" % n, "n": n, "r": n + 0.1}
    row = [
        kinds[column.kind] if k < table.key or column.kind != "n" else n % 100 for k, column in enumerate(table.columns)
    ]
    if table.embedded == "alias":
        row[1] = msgspec.json.encode(["a@b"] if n % 2 else ["a@b", "ß@d"]).decode()
    return row


async def seen(store: Any, clock: VirtualClock, *accounts: str) -> dict[str, list[bytes]]:
    """What an IMAP client is told of each account, of everything in it, and POP3's ids."""
    found = {}
    async with _serving(store, clock) as server:
        for account in accounts:
            talk = await server.connect()
            lines = await talk.ask(f"LOGIN {account.partition('@')[0]} secret")
            await talk.ask('LIST "" "*"')  # makes the folders that each account has
            folders = await store.mailboxes.folders(account)
            for folder in folders:
                name = folder.name
                lines += await talk.ask("ENABLE CONDSTORE UTF8=ACCEPT")
                lines += await talk.ask(
                    f'STATUS "{name}" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ MAILBOXID)'
                )
                lines += await talk.ask(f'EXAMINE "{name}"')
                lines += await talk.ask(f'GETACL "{name}"')
                lines += await talk.ask(f'GETMETADATA (DEPTH infinity) "{name}" (/private)')
                lines += await talk.ask(
                    "FETCH 1:* (UID MODSEQ FLAGS INTERNALDATE SAVEDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE EMAILID BODY.PEEK[])"
                )
                lines.append(repr(await store.mailboxes.former_ids(folder.id)).encode())
                lines.append(repr(await store.mailboxes.changes(folder.id, 0)).encode())
            lines += await talk.ask('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)')
            found[account] = [line for line in lines if not line.startswith(b"* OK [CAPABILITY")]
            await talk.ask("LOGOUT")
    return found


@asynccontextmanager
async def _serving(store: Any, clock: VirtualClock) -> AsyncIterator[MemoryServer]:
    config = schema.Config(auth=schema.Auth(allow_plaintext=True, failure_delay=0.0))
    async with served(store, config, clock) as server:
        yield server


async def waiting(store: Any) -> list[object]:
    """The queue, with all octets."""
    found: list[object] = []
    for item in await store.queue.page(QueueFilter()):
        found.append((item.id, item.sender, item.created, item.parameters, item.origin, item.recipients))
        found.append(b"".join([block async for block in item.content.blocks()]))
    return found


def rows_of(data: Path) -> dict[str, list[object]]:
    """All rows of the tables that move, of an embedded store."""
    found = {}
    for table in TABLES:
        db = sqlite3.connect(data / ("junk.db" if table.junk else "mailhub.db"))
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        where = f"where {table.only}" if table.only else ""
        found[table.name] = sorted(db.execute(f"select {names} from {table.embedded} {where}").fetchall(), key=repr)
        db.close()
    return found
