"""The units by which folders and files that other programs made enter the index."""

import json
import sqlite3
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from mailhub.model import ids
from mailhub.model.mailbox import SEEN

from .. import maildir
from ..side_files import UidList
from .filing import Entry, enter, find_folder, get_folder, make_folder, name_letters, set_keywords, subscribe
from .writer import Told


class Adopt(Struct, frozen=True):
    """A folder that is there on disk, with what lies beside it. Until `Adopted` its side files are not ours to write: they are
    all that knows the UIDs. `subscribed`: names that are, if the folder is new to us."""

    account: str
    name: str
    listed: UidList | None
    keywords: tuple[str, ...]
    subscribed: tuple[str, ...]
    now: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = find_folder(db, self.account, self.name)
        if folder is None:
            uidvalidity = self.listed.uidvalidity if self.listed else 0
            folder = make_folder(db, told, self.account, self.name, self.now, uidvalidity=uidvalidity)
            subscribe(db, self.account, self.subscribed)
            db.execute("insert into adopting (folder) values (?)", (folder.id,))
        # one that we know may have been another server's while we were away: it gave UIDs and keywords of its own
        listed = self.listed
        if listed is not None and listed.uidvalidity == folder.uidvalidity and listed.uidnext > folder.uidnext:
            db.execute("insert or ignore into adopting values (?,?)", (folder.id, folder.uidnext))
            db.execute("update folder set uidnext=?1, recent_from=max(?1, recent_from) where id=?2",
                       (listed.uidnext, folder.id))  # fmt: skip
        known = len(folder.keywords)
        if len(self.keywords) > known and self.keywords[:known] == folder.keywords:
            set_keywords(db, folder, self.keywords)


class TakeSubscriptions(Struct, frozen=True):
    """These and no others."""

    account: str
    names: tuple[str, ...]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute("delete from subscription where account=?", (self.account,))
        subscribe(db, self.account, self.names)
        told.change(self.account, None)


class Adopted(Struct, frozen=True):
    """All files that a folder held when it was found are in the index."""

    folder: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if db.execute("delete from adopting where folder=?", (self.folder,)).rowcount:
            folder = get_folder(db, self.folder)
            told.change(folder.account, folder.id, folder.modseq)


class Enter(Struct, frozen=True):
    """Files that the index does not know. Deliveries that are still queued are passed over. A UID from a list is given to its
    file while the folder is taken in, and once: else the file gets the next one. Of rows with a UID below `floor` the giver knows
    that they are none of these, but for those with a UID that an entry wants."""

    folder: int
    entries: tuple[Entry, ...]
    floor: int = 0

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        here = self._known(db)
        new = [entry for entry in self.entries if entry.file not in here and not self._ours(db, entry)]
        for flags in {entry.flags for entry in new}:
            folder = name_letters(db, folder, flags)
        adopting = db.execute("select known_below from adopting where folder=?", (folder.id,)).fetchone()
        known_below = folder.uidnext if adopting is None else adopting[0]
        new = [entry if entry.uid >= known_below else replace(entry, uid=0) for entry in new]
        wanted = json.dumps([entry.uid for entry in new if entry.uid])
        used = "select uid from {} where folder=? and uid in (select value from json_each(?))"
        taken = {row[0] for table in ("message", "expunged")
                 for row in db.execute(used.format(table), (folder.id, wanted)).fetchall()}  # fmt: skip
        known = sorted((e for e in new if e.uid and e.uid not in taken), key=lambda entry: entry.uid)
        if known:
            enter(db, told, folder, known)
        fresh = [replace(entry, uid=0) for entry in new if not entry.uid or entry.uid in taken]
        if fresh:
            enter(db, told, get_folder(db, folder.id), fresh)

    def _known(self, db: sqlite3.Connection) -> set[str]:
        """File names that the index may have had from somebody else meanwhile."""
        wanted = json.dumps([entry.uid for entry in self.entries if entry.uid])
        rows = db.execute(
            "select file from message where folder=?1 and uid>=?2 union all"
            " select file from message where folder=?1 and uid in (select value from json_each(?3))",
            (self.folder, self.floor, wanted),
        )
        return {row[0] for row in rows.fetchall()}

    def _ours(self, db: sqlite3.Connection, entry: Entry) -> bool:
        if db.execute("select 1 from intent where source like ? escape '\\'", (_like(entry.file),)).fetchone():
            return True
        return is_queued(db, entry.file)


def is_queued(db: sqlite3.Connection, base: str) -> bool:
    """Whether a file is a delivery that the queue has not settled yet."""
    delivery = maildir.DELIVERY.match(base)
    if delivery is None:
        return False
    try:
        item = ids.number(delivery[1])
    except ValueError:
        return False
    row = db.execute("select 1 from recipient where item=? and n=?", (item, int(delivery[2]))).fetchone()
    return row is not None


def _like(base: str) -> str:
    return "%" + base.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


class MergeNames(Struct, frozen=True):
    """(uid, flags in the name now): what differs from the name seen last is what another program changed. Where a rename of ours
    is under way, or was when the machine stopped, nobody can tell whose name it is: the index is right."""

    folder: int
    names: tuple[tuple[int, int], ...]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        changed = 0
        for uid, now in self.names:
            row = db.execute(
                "select flags, name_flags, dirty from message where folder=? and uid=?", (folder.id, uid)
            ).fetchone()
            if row is None or row[1] == maildir.NO_FILE:
                continue
            flags, last, dirty = row
            theirs = 0 if dirty else max(0, now) ^ max(0, last)
            merged = flags & ~theirs | max(0, now) & theirs
            folder = name_letters(db, folder, merged)
            db.execute(
                "update message set flags=?1, name_flags=?2, dirty=(?3 != ?1 & ?4), modseq=iif(flags != ?1, ?5, modseq)"
                " where folder=?6 and uid=?7",
                (merged, now, max(0, now), maildir.VISIBLE, folder.modseq + 1, folder.id, uid),
            )
            changed += merged != flags
            db.execute("update folder set unseen=unseen+? where id=?", ((flags & SEEN) - (merged & SEEN), folder.id))
        if changed:
            db.execute("update folder set modseq=modseq+1 where id=?", (folder.id,))
            told.change(folder.account, folder.id, folder.modseq + 1)


class Again(Struct, frozen=True):
    """Rows made again from their files: UID, flags, date and file stay. A size that is that of the file, or that with each line
    end as CRLF, stays too."""

    folder: int
    rows: Sequence[tuple[int, int, int, bytes, bytes]]  # uid, octets of the file, octets with CRLF, envelope, structure

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        for uid, octets, size, envelope, structure in self.rows:
            db.execute("update message set size=?1 where folder=?2 and uid=?3 and size not in (?1, ?4)",
                       (size, self.folder, uid, octets))  # fmt: skip
            db.execute("insert or replace into rendered select ?,?,?,? where exists"
                       " (select 1 from message where folder=?1 and uid=?2)",
                       (self.folder, uid, envelope, structure))  # fmt: skip
        recount(db, self.folder)


class Recount(Struct, frozen=True):
    """A folder's counters are made what its rows say."""

    folder: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        recount(db, self.folder)


def recount(db: sqlite3.Connection, folder: int) -> None:
    db.execute("update folder set messages=?, unseen=?, size=? where id=?", (*counters(db, folder), folder))


def counters(db: sqlite3.Connection, folder: int) -> tuple[int, int, int]:
    """Messages, unseen ones and octets by the rows of a folder."""
    messages, unseen, size = db.execute(
        f"select count(*), coalesce(sum((flags & {SEEN}) = 0), 0), coalesce(sum(size), 0) from message where folder=?",
        (folder,),
    ).fetchone()
    return messages, unseen, size
