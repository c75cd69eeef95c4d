"""Entering messages in a folder: UIDs and mod-sequences are allotted in the transaction that stores the message.

A folder's row is locked, and written, by everything that changes the folder: two nodes that do so at one time meet on it, and one of them
begins again with what the other left.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailhub.model.errors import LimitReached, NotFound
from mailhub.model.mailbox import KEYWORD_SHIFT, MAX_KEYWORDS, SEEN, SEPARATOR, Folder

from .. import maildir
from ..api import Filing, NewContent
from .contents import refer, refer_again
from .engine import KEPT, Tx
from .objects import key_of

UID_LIMIT = (1 << 32) - 2
FOLDER = (
    "id, account, name, uidvalidity, uidnext, modseq, messages, unseen, size, keywords, special_use,"
    " exists (select 1 from subscription s where s.account = folder.account and s.name = folder.name), recent_from"
)


class Source(Struct, frozen=True):
    """What filed messages are made of. `content`: it is not stored by itself, and its body may not be, either."""

    prefix: bytes
    body: bytes  # its key
    tail: bytes
    content: NewContent | None = None


def source_of(content: NewContent) -> Source:
    return Source(content.prefix, key_of(content.body, content.id), content.tail, content)


def folder_of(row: Sequence[Any]) -> Folder:
    """A row selected as FOLDER."""
    values = list(row)
    values[9] = tuple(json.loads(values[9]))
    values[11] = bool(values[11])
    return Folder(*values)


async def get_folder(tx: Tx, number: int, *, change: bool = True) -> Folder:
    """`change`: it is going to be written, and nobody else may until the commit."""
    row = await tx.one(f"select {FOLDER} from folder where id = %s{' for update' if change else ''}", number)
    if row is None:
        raise NotFound(f"no folder {number}")
    return folder_of(row)


async def find_folder(tx: Tx, account: str, name: str, *, change: bool = True) -> Folder | None:
    row = await tx.one(
        f"select {FOLDER} from folder where account = %s and name = %s{' for update' if change else ''}", account, name
    )
    return None if row is None else folder_of(row)


async def listing(tx: Tx, account: str, now: int = 0) -> int:
    """The account's list of folders changes: nobody else changes it until the commit. The UIDVALIDITY for a folder that is made now, above
    that of every folder before it."""
    await tx.run(
        "insert into account (name, listing, uidvalidity) values (%s, 1, %s)"
        " on duplicate key update listing = listing + 1, uidvalidity = greatest(uidvalidity + 1, values(uidvalidity))",
        account, max(1, now),
    )  # fmt: skip
    tx.told.change(account, None)
    found = await tx.one("select uidvalidity from account where name = %s", account)
    assert found is not None
    return int(found[0])


async def make_folder(tx: Tx, account: str, name: str, now: int, special_use: str = "", uidvalidity: int = 0) -> Folder:
    """A new folder; `uidvalidity`: one that it had elsewhere."""
    chosen = await listing(tx, account, now)
    await tx.run(
        "insert into folder (account, name, uidvalidity, uidnext, modseq, messages, unseen, size, keywords, special_use,"
        " recent_from) values (%s, %s, %s, 1, 1, 0, 0, 0, '[]', %s, 1)",
        account, name, uidvalidity or chosen, special_use,
    )  # fmt: skip
    found = await find_folder(tx, account, name)
    assert found is not None
    # RFC 4314 section 4: it has the access control list of the one above it
    above = await find_folder(tx, account, name.rpartition(SEPARATOR)[0], change=False)
    if above is not None:
        await tx.run(
            "insert into acl (folder, identifier, rights) select %s, identifier, rights from acl where folder = %s",
            found.id,
            above.id,
        )
    return found


async def subscribe(tx: Tx, account: str, names: Iterable[str]) -> None:
    await tx.insert(
        "insert into subscription (account, name)", [(account, name) for name in names], KEPT.format("name")
    )


async def keyword_bits(tx: Tx, folder: Folder, keywords: Sequence[str]) -> tuple[int, Folder]:
    """The bits of keywords in a folder, which learns those that it does not know. Case does not matter."""
    if not keywords:
        return 0, folder
    known = {name.lower(): n for n, name in enumerate(folder.keywords)}
    names = list(folder.keywords)
    bits = 0
    for keyword in keywords:
        n = known.get(keyword.lower())
        if n is None:
            if len(names) >= MAX_KEYWORDS:
                raise LimitReached(f"folder {folder.name}: more than {MAX_KEYWORDS} keywords")
            n = known[keyword.lower()] = len(names)
            names.append(keyword)
        bits |= 1 << (KEYWORD_SHIFT + n)
    if len(names) != len(folder.keywords):
        await tx.run("update folder set keywords = %s where id = %s", json.dumps(names), folder.id)
        folder = replace(folder, keywords=tuple(names))
    return bits, folder


class Entry(Struct, frozen=True):
    """A message about to enter a folder; its body has a reference for it already. `uid` 0: the next one."""

    flags: int
    date: int
    size: int
    file: str
    envelope: bytes
    structure: bytes
    body: bytes
    head: bytes = b""
    tail: bytes = b""
    moved: int = 0
    uid: int = 0


async def enter(tx: Tx, folder: Folder, entries: Sequence[Entry]) -> list[int]:
    """Index rows for `entries`, one mod-sequence for all of them; their UIDs. The folder is locked."""
    uidnext, modseq = folder.uidnext, folder.modseq + 1
    uids: list[int] = []
    for entry in entries:
        uids.append(entry.uid or uidnext)
        uidnext = max(uidnext, uids[-1] + 1)
    if uidnext > UID_LIMIT:
        raise LimitReached(f"folder {folder.name} of {folder.account} has no UIDs left")
    numbered = list(zip(uids, entries, strict=True))
    await tx.insert(
        "insert into message (folder, uid, flags, modseq, date, size, file, moved, body)",
        [(folder.id, uid, e.flags, modseq, e.date, e.size, e.file, e.moved, e.body) for uid, e in numbered],
    )
    await tx.insert(
        "insert into rendered (folder, uid, envelope, structure, head, tail)",
        [(folder.id, uid, e.envelope, e.structure, e.head, e.tail) for uid, e in numbered],
    )
    await tx.run(
        "update folder set uidnext = %s, modseq = %s, messages = messages + %s, unseen = unseen + %s, size = size + %s where id = %s",
        uidnext, modseq, len(entries), sum(not entry.flags & SEEN for entry in entries),
        sum(entry.size for entry in entries), folder.id,
    )  # fmt: skip
    tx.told.change(folder.account, folder.id, modseq)
    return uids


async def file_messages(tx: Tx, filings: Sequence[Filing], sources: Mapping[int, Source], now: int) -> None:
    """Index deliveries. A folder that is missing is INBOX, and INBOX is made where it is missing."""
    await _refer(tx, [sources[filing.content] for filing in filings])
    places: dict[tuple[str, str], list[Filing]] = {}
    for filing in filings:
        places.setdefault((filing.account, filing.folder), []).append(filing)
    for (account, name), found in sorted(places.items()):
        folder = await find_folder(tx, account, name) or await find_folder(tx, account, "INBOX")
        if folder is None:
            folder = await make_folder(tx, account, "INBOX", now)
            await subscribe(tx, account, ("INBOX",))
        entries = []
        for filing in found:
            try:
                bits, folder = await keyword_bits(tx, folder, filing.keywords)
            except LimitReached:  # the mail is worth more than the keywords that a script gave it
                bits = 0
            source = sources[filing.content]
            entries.append(
                Entry(
                    flags=filing.flags | bits,
                    date=filing.date,
                    size=filing.size,
                    file=maildir.sized(filing.file, filing.size),
                    envelope=filing.envelope,
                    structure=filing.structure,
                    body=source.body,
                    head=filing.head + source.prefix,
                    tail=source.tail,
                )
            )
        await enter(tx, folder, entries)


async def _refer(tx: Tx, sources: Sequence[Source]) -> None:
    """A reference to its body for each message."""
    await refer(tx, [(source.body, source.content.body) for source in sources if source.content is not None])
    await refer_again(tx, Counter(source.body for source in sources if source.content is None))
