"""Entering messages in a folder: UIDs and mod-sequences allotted in the transaction that stores them."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mailhub.model.errors import LimitReached, NotFound
from mailhub.model.mailbox import KEYWORD_SHIFT, MAX_KEYWORDS, SEEN, SEPARATOR, Folder

from .. import maildir
from ..api import Filing
from ..side_files import unknown
from .writer import Told, insert_rows

UID_LIMIT = (1 << 32) - 2
FOLDER = (
    "id, account, name, uidvalidity, uidnext, modseq, messages, unseen, size, keywords, special_use,"
    " exists (select 1 from subscription s where s.account = folder.account and s.name = folder.name), recent_from"
)


def folder_of(row: Sequence[object]) -> Folder:
    """A row selected as FOLDER."""
    values = list(row)
    values[9] = tuple(json.loads(str(row[9])))
    values[11] = bool(row[11])
    return Folder(*values)  # type: ignore[arg-type]


def get_folder(db: sqlite3.Connection, number: int) -> Folder:
    row = db.execute(f"select {FOLDER} from folder where id=?", (number,)).fetchone()
    if row is None:
        raise NotFound(f"no folder {number}")
    return folder_of(row)


def find_folder(db: sqlite3.Connection, account: str, name: str) -> Folder | None:
    row = db.execute(f"select {FOLDER} from folder where account=? and name=?", (account, name)).fetchone()
    return None if row is None else folder_of(row)


def make_folder(
    db: sqlite3.Connection, told: Told, account: str, name: str, now: int, special_use: str = "", uidvalidity: int = 0
) -> Folder:
    """A new folder; its UIDVALIDITY is above that of every folder before it, unless an adopted one is given."""
    last = db.execute("select value from meta where key='uidvalidity'").fetchone()
    chosen = uidvalidity or max(now, int(last[0]) + 1 if last else 1)
    if not uidvalidity:
        db.execute("insert or replace into meta values ('uidvalidity', ?)", (str(chosen),))
    db.execute(
        "insert into folder (account, name, uidvalidity, uidnext, modseq, messages, unseen, size, keywords,"
        " special_use, recent_from) values (?,?,?,1,1,0,0,0,'[]',?,1)",
        (account, name, chosen, special_use),
    )
    told.change(account, None)
    found = find_folder(db, account, name)
    assert found is not None
    # RFC 4314 section 4: it has the access control list of the one above it
    db.execute(
        "insert into acl select ?, identifier, rights from acl where folder ="
        " (select id from folder where account=? and name=?)",
        (found.id, account, name.rpartition(SEPARATOR)[0]),
    )
    return found


def subscribe(db: sqlite3.Connection, account: str, names: Iterable[str]) -> None:
    db.executemany("insert or ignore into subscription values (?,?)", [(account, name) for name in names])


def name_letters(db: sqlite3.Connection, folder: Folder, flags: int) -> Folder:
    """The folder, with a name for each keyword letter that stands in `flags`: a letter without one would take the next new name."""
    letters = (flags >> KEYWORD_SHIFT).bit_length()
    if letters <= len(folder.keywords):
        return folder
    return set_keywords(db, folder, (*folder.keywords, *map(unknown, range(len(folder.keywords), letters))))


def set_keywords(db: sqlite3.Connection, folder: Folder, names: Sequence[str]) -> Folder:
    db.execute("update folder set keywords=? where id=?", (json.dumps(names), folder.id))
    return replace(folder, keywords=tuple(names))


def keyword_bits(db: sqlite3.Connection, folder: Folder, keywords: Sequence[str]) -> tuple[int, Folder]:
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
        folder = set_keywords(db, folder, names)
    return bits, folder


class Entry(Struct, frozen=True):
    """A message about to enter a folder. `name_flags`: see maildir.IN_NEW and NO_FILE. `uid` 0: the next one."""

    flags: int
    date: int
    size: int
    name_flags: int
    file: str
    envelope: bytes
    structure: bytes
    content: int | None = None  # content kept until the file is known to be synced
    head: bytes = b""
    uid: int = 0
    moved: int = 0


def enter(db: sqlite3.Connection, told: Told, folder: Folder, entries: Sequence[Entry]) -> list[int]:
    """Index rows for `entries`, one mod-sequence for all of them; their UIDs."""
    uidnext, modseq = folder.uidnext, folder.modseq + 1
    uids: list[int] = []
    messages: list[tuple[object, ...]] = []
    for entry in entries:
        uid = entry.uid or uidnext
        uidnext = max(uidnext, uid + 1)
        if uid > UID_LIMIT:
            raise LimitReached(f"folder {folder.name} of {folder.account} has no UIDs left")
        uids.append(uid)
        dirty = entry.name_flags != maildir.NO_FILE and max(0, entry.name_flags) != entry.flags & maildir.VISIBLE
        messages.append(
            (
                folder.id,
                uid,
                entry.flags,
                modseq,
                entry.date,
                entry.size,
                entry.name_flags,
                dirty,
                entry.file,
                entry.moved,
            )
        )
    numbered = list(zip(uids, entries, strict=True))
    insert_rows(db, "insert into message", messages)
    insert_rows(db, "insert into rendered", [(folder.id, uid, e.envelope, e.structure) for uid, e in numbered])
    insert_rows(
        db, "insert into filed", [(e.content, folder.id, uid, e.head) for uid, e in numbered if e.content is not None]
    )
    db.execute(
        "update folder set uidnext=?, modseq=?, messages=messages+?, unseen=unseen+?, size=size+? where id=?",
        (uidnext, modseq, len(entries), sum(not entry.flags & SEEN for entry in entries),
         sum(entry.size for entry in entries), folder.id),
    )  # fmt: skip
    told.change(folder.account, folder.id, modseq)
    if any(entry.content is not None for entry in entries):
        told.filed.append(folder.id)
    return uids


def file_messages(db: sqlite3.Connection, told: Told, filings: Sequence[Filing], now: int) -> None:
    """Index staged deliveries. A folder that is missing is INBOX, and INBOX is made where it is missing."""
    places: dict[tuple[str, str], list[Filing]] = {}
    for filing in filings:
        places.setdefault((filing.account, filing.folder), []).append(filing)
    for (account, name), found in places.items():
        folder = find_folder(db, account, name) or find_folder(db, account, "INBOX")
        if folder is None:
            folder = make_folder(db, told, account, "INBOX", now)
            subscribe(db, account, ("INBOX",))
        entries = []
        for filing in found:
            try:
                bits, folder = keyword_bits(db, folder, filing.keywords)
            except LimitReached:  # the mail is worth more than the keywords that a script gave it
                bits = 0
            entries.append(
                Entry(
                    flags=filing.flags | bits,
                    date=filing.date,
                    size=filing.size,
                    name_flags=maildir.IN_NEW,  # where `stage` wrote it; flags follow by a rename
                    file=maildir.sized(filing.file, filing.size),
                    envelope=filing.envelope,
                    structure=filing.structure,
                    content=filing.content,
                    head=filing.head,
                )
            )
        enter(db, told, folder, entries)
