"""The units of mailboxes as SQL: folders, append, flags, copy, move, expunge. Each touches at most 1,000 messages."""

import json
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from mailhub.model.errors import Exists, NotFound, Permanent
from mailhub.model.mailbox import SEEN, SEPARATOR, UNLIMITED, FlagOp, Folder, Limits

from .. import maildir
from ..api import Copied, NewContent, NewMessage
from .filing import Entry, enter, find_folder, get_folder, keyword_bits, make_folder, subscribe
from .queue_units import drop_contents, remember_id
from .quota import make_room
from .sharing import forget_account, forget_folder
from .tombstones import bury
from .writer import Told


def intend(db: sqlite3.Connection, told: Told, kind: str, source: str, target: str = "") -> None:
    """Decide a change to files, to be done after the commit. Paths are below DATA/mail."""
    db.execute("insert into intent (kind, source, target) values (?,?,?)", (kind, source, target))
    told.intents += 1


def directory(folder: Folder) -> str:
    return maildir.home(folder.account) + maildir.folder_dir(folder.name)


def path(folder: Folder, file: str, name_flags: int) -> str:
    return f"{directory(folder)}/{maildir.place(file, name_flags)}"


def make_parents(db: sqlite3.Connection, told: Told, account: str, name: str, now: int) -> None:
    """The folders above one that is to be."""
    levels = name.split(SEPARATOR)
    missing = [
        parent for n in range(1, len(levels)) if not find_folder(db, account, parent := SEPARATOR.join(levels[:n]))
    ]
    for parent in missing:
        intend(db, told, "mkdir", directory(make_folder(db, told, account, parent, now)))
    subscribe(db, account, missing)


class Create(Struct, frozen=True):
    account: str
    name: str
    special_use: str
    now: int

    def apply(self, db: sqlite3.Connection, told: Told) -> Folder:
        if find_folder(db, self.account, self.name):
            raise Exists(f"folder {self.name!r} exists")
        make_parents(db, told, self.account, self.name, self.now)
        folder = make_folder(db, told, self.account, self.name, self.now, self.special_use)
        subscribe(db, self.account, (self.name,))
        intend(db, told, "mkdir", directory(folder))
        return get_folder(db, folder.id)


class Delete(Struct, frozen=True):
    """Delete a folder that holds no messages any more."""

    folder: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        if folder.name == "INBOX":
            raise Permanent("INBOX stays")
        for table in ("expunged", "url_key"):
            db.execute(f"delete from {table} where folder=?", (folder.id,))
        db.execute("delete from folder where id=?", (folder.id,))
        forget_folder(db, folder.id)
        # out of the way first, so that a new folder of that name is not touched by what comes later
        grave = f"{maildir.home(folder.account)}/..deleted-{folder.id}"
        intend(db, told, "rename", directory(folder), grave)
        intend(db, told, "rmtree", grave)
        told.change(folder.account, folder.id, folder.modseq + 1)
        told.change(folder.account, None)


class Rename(Struct, frozen=True):
    """A folder other than INBOX, with all below it."""

    folder: int
    name: str
    now: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        below = folder.name + SEPARATOR
        rows = db.execute("select id, name from folder where account=?", (folder.account,)).fetchall()
        moved = {
            n: self.name + name[len(folder.name) :] for n, name in rows if n == folder.id or name.startswith(below)
        }
        taken = {name for n, name in rows if n not in moved}
        clash = taken.intersection(moved.values())
        if clash or self.name.startswith(below):
            raise Exists(f"folder {min(clash, default=self.name)!r} exists")
        make_parents(db, told, folder.account, self.name, self.now)
        home = maildir.home(folder.account)
        for number, name in rows:
            if number in moved:
                intend(db, told, "rename", home + maildir.folder_dir(name), home + maildir.folder_dir(moved[number]))
                db.execute("update folder set name=? where id=?", (moved[number], number))
        told.change(folder.account, None)


class Subscribe(Struct, frozen=True):
    account: str
    name: str
    subscribed: bool

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        statement = "insert or ignore into subscription values (?,?)"
        if not self.subscribed:
            statement = "delete from subscription where account=? and name=?"
        db.execute(statement, (self.account, self.name))
        told.change(self.account, None)


class TakeRecent(Struct, frozen=True):
    folder: int

    def apply(self, db: sqlite3.Connection, told: Told) -> int:
        folder = get_folder(db, self.folder)
        db.execute("update folder set recent_from=uidnext where id=?", (self.folder,))
        # what a session has seen is not new any more: its file goes from new/ to cur/
        db.execute("update message set dirty=1 where folder=? and uid>=? and name_flags=-1 and dirty=0",
                   (self.folder, folder.recent_from))  # fmt: skip
        return folder.recent_from


class Append(Struct, frozen=True):
    folder: int
    messages: tuple[NewMessage, ...]
    contents: tuple[NewContent, ...]  # one each
    files: tuple[str, ...]
    replaces: tuple[int, int] | None = None  # folder and UID of the message that goes as they come
    limits: Limits = UNLIMITED  # of accounts that have none of their own

    def apply(self, db: sqlite3.Connection, told: Told) -> list[int]:
        if self.replaces is not None and not Expunge(self.replaces[0], self.replaces[1:]).apply(db, told):
            raise NotFound("the message to be replaced is gone")
        folder = get_folder(db, self.folder)
        make_room(db, folder.account, self.limits, sum(m.body.size for m in self.messages), len(self.messages))
        remember_id(db, max((content.id for content in self.contents), default=0))
        entries = []
        for message, content, file in zip(self.messages, self.contents, self.files, strict=True):
            bits, folder = keyword_bits(db, folder, message.keywords)
            db.execute(
                "insert into content values (?,?,?,?,?,x'')",
                (content.id, content.body.size, content.body.spool, content.prefix, content.body.data),
            )
            entries.append(
                Entry(message.flags | bits, message.date, content.body.size, maildir.NO_FILE,
                      maildir.sized(file, content.body.size), message.envelope, message.structure, content.id)
            )  # fmt: skip
        return enter(db, told, folder, entries)


def _new_flags(op: FlagOp, may: int) -> str:
    return {FlagOp.REPLACE: f"((flags & {~may}) | ?1)", FlagOp.ADD: "(flags | ?1)", FlagOp.REMOVE: "(flags & ~?1)"}[op]


class SetFlags(Struct, frozen=True):
    folder: int
    uids: tuple[int, ...]
    op: FlagOp
    flags: int
    keywords: tuple[str, ...]
    may: int  # the flags that REPLACE takes away
    unchanged_since: int | None

    def apply(self, db: sqlite3.Connection, told: Told) -> tuple[Folder, list[tuple[int, int, int]], list[int]]:
        folder = get_folder(db, self.folder)
        keywords = self.keywords
        if self.op is FlagOp.REMOVE:  # one that the folder does not know need not be learnt to be taken away
            known = {name.lower() for name in folder.keywords}
            keywords = tuple([name for name in keywords if name.lower() in known])
        bits, folder = keyword_bits(db, folder, keywords)
        since = (1 << 62) if self.unchanged_since is None else self.unchanged_since
        new, modseq = _new_flags(self.op, self.may), folder.modseq + 1
        chosen = f"folder=?2 and {_among(self.uids)} and modseq <= ?4"
        values = (self.flags | bits, folder.id, json.dumps(self.uids), since)
        seen = db.execute(
            f"select coalesce(sum((flags & 1) - ({new} & 1)), 0) from message where {chosen}", values
        ).fetchone()[0]
        refused = set() if self.unchanged_since is None else self._refused(db, since)
        kept = sorted(set(self.uids) - refused)
        changed = db.execute(
            f"update message set flags={new}, modseq=?5, dirty=(name_flags != -2) where {chosen} and flags != {new}",
            (*values, modseq),
        ).rowcount
        if changed:
            db.execute("update folder set modseq=?, unseen=unseen+? where id=?", (modseq, seen, folder.id))
            told.change(folder.account, folder.id, modseq)
        rows = db.execute(
            f"select json_group_array(json_array(uid, flags, modseq)) from message where folder=?2 and {_among(kept)}",
            (None, folder.id, json.dumps(kept)),
        ).fetchone()[0]
        return get_folder(db, folder.id), sorted((u, f, m) for u, f, m in json.loads(rows)), sorted(refused)

    def _refused(self, db: sqlite3.Connection, since: int) -> set[int]:
        """Those that changed after that mod-sequence."""
        rows = db.execute(
            "select json_group_array(uid) from message where folder=?"
            " and uid in (select value from json_each(?)) and modseq > ?",
            (self.folder, json.dumps(self.uids), since),
        )
        return set(json.loads(rows.fetchone()[0]))


def _among(uids: Sequence[int]) -> str:
    """A condition on `uid`, of the JSON list that is the statement's ?3. A run is one range: half the time of as many look-ups."""
    if uids and uids[-1] - uids[0] == len(uids) - 1:
        return "uid between json_extract(?3, '$[0]') and json_extract(?3, '$[#-1]')"
    return "uid in (select value from json_each(?3))"


_ROW = "message.uid, flags, date, size, name_flags, file, envelope, structure"


class Copy(Struct, frozen=True):
    """COPY links, MOVE renames: rows in this unit, files after it."""

    folder: int
    uids: tuple[int, ...]
    target: int
    files: tuple[str, ...]  # base names for the copies; empty: a move, which keeps names
    now: int
    keep: int = -1  # flags that they may have in the target
    last_id: int = 0  # the highest that stands in `files`
    limits: Limits = UNLIMITED  # of accounts that have none of their own

    def apply(self, db: sqlite3.Connection, told: Told) -> Copied:
        remember_id(db, self.last_id)
        source, target = get_folder(db, self.folder), get_folder(db, self.target)
        rows = db.execute(
            f"select {_ROW} from message join rendered using (folder, uid)"
            " where folder=? and uid in (select value from json_each(?)) order by uid",
            (source.id, json.dumps(self.uids)),
        ).fetchall()
        if self.files or source.account != target.account:
            make_room(db, target.account, self.limits, sum(row[3] for row in rows), len(rows))
        # content that stands for a file which may not be synced stands for its copy, too
        contents = {uid: (content, head) for uid, content, head in db.execute(
            "select uid, content, head from filed where folder=? and uid in (select value from json_each(?))",
            (source.id, json.dumps(self.uids)),
        ).fetchall()}  # fmt: skip
        entries = []
        for n, (uid, flags, date, size, name_flags, file, envelope, structure) in enumerate(rows):
            flags &= self.keep
            names = [name for k, name in enumerate(source.keywords) if flags >> (k + 5) & 1]
            bits, target = keyword_bits(db, target, names)
            name = maildir.copied(self.files[n], file) if self.files else file
            content, head = contents.get(uid, (None, b""))
            new_flags = flags & 31 | bits
            entries.append(
                Entry(new_flags, date, size, name_flags, name, envelope, structure, content, head, moved=self.now)
            )
            if name_flags != maildir.NO_FILE:
                kind = "link" if self.files else "rename"
                intend(db, told, kind, path(source, file, name_flags), path(target, name, name_flags))
        uids = enter(db, told, target, entries) if entries else []
        if not self.files:
            _forget(db, told, source, [row[0] for row in rows])
        return Copied(get_folder(db, target.id), tuple(row[0] for row in rows), tuple(uids))


class Expunge(Struct, frozen=True):
    folder: int
    uids: tuple[int, ...]

    def apply(self, db: sqlite3.Connection, told: Told) -> list[int]:
        folder = get_folder(db, self.folder)
        rows = db.execute(
            "select uid, name_flags, file from message where folder=? and uid in (select value from json_each(?))",
            (folder.id, json.dumps(self.uids)),
        ).fetchall()
        for _, name_flags, file in rows:
            if name_flags != maildir.NO_FILE:
                intend(db, told, "unlink", path(folder, file, name_flags))
        uids = sorted(row[0] for row in rows)
        _forget(db, told, folder, uids)
        return uids


def _forget(db: sqlite3.Connection, told: Told, folder: Folder, uids: Sequence[int]) -> None:
    """Take rows out of a folder and leave tombstones; content that stood for their files goes with them."""
    if not uids:
        return
    chosen = "folder=? and uid in (select value from json_each(?))"
    values = (folder.id, json.dumps(list(uids)))
    contents = db.execute(f"select json_group_array(content) from filed where {chosen}", values).fetchone()[0]
    unseen, size = db.execute(
        f"select coalesce(sum((flags & {SEEN}) = 0), 0), coalesce(sum(size), 0) from message where {chosen}", values
    ).fetchone()
    modseq = db.execute("select modseq from folder where id=?", (folder.id,)).fetchone()[0] + 1
    bury(db, folder.id, uids, modseq)
    for table in ("message", "rendered", "glimpse", "filed"):
        db.execute(f"delete from {table} where {chosen}", values)
    db.execute(
        "update folder set modseq=?, messages=messages-?, unseen=unseen-?, size=size-? where id=?",
        (modseq, len(uids), unseen, size, folder.id),
    )
    drop_contents(db, told, json.loads(contents))
    told.change(folder.account, folder.id, modseq)


class RemoveAccount(Struct, frozen=True):
    account: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        for (folder,) in db.execute("select id from folder where account=?", (self.account,)).fetchall():
            for table in ("message", "rendered", "glimpse", "filed", "expunged", "url_key"):
                db.execute(f"delete from {table} where folder=?", (folder,))
            forget_folder(db, folder)
        forget_account(db, self.account)
        db.execute("delete from folder where account=?", (self.account,))
        db.execute("delete from subscription where account=?", (self.account,))
        told.change(self.account, None)
