"""api.TextStore on SQLite: a database for each account, with the text of its messages and an index of their trigrams.

    DATA/search/DOMAIN/USER.db

A text of three characters and more is looked up by its trigrams, and what they name is verified; a shorter one is looked for in
the kept text itself, which costs a read of it. Whatever a database answers but "damaged", it answers for one moment.
"""

import json
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from unicodedata import unidata_version
from urllib.parse import unquote

from mailhub.model.mailbox import Folder

from .. import maildir
from ..api import Document, Looked, Needle, in_field
from ..files import Files
from ..lane import Lane
from .aside import opened

log = logging.getLogger("mailhub.store")
T = TypeVar("T")

VERSION = 3  # of the tables, and of what `mailbox.readable` makes of a message
# a database of another version is thrown away; another Python may fold letters in another way
STAMP = VERSION * 1_000_000 + sum(int(part) * 100**n for n, part in enumerate(unidata_version.split(".")[::-1]))
_OPEN = 16  # databases
_GRAM = 3  # characters
_GRAMS = 24  # of one text that are looked up; what they name is verified
_TABLES = f"""
create table place(id integer primary key, name text not null, uidvalidity integer not null, modseq integer not null default 0,
  unique(name, uidvalidity));
create table document(id integer primary key, place integer not null, uid integer not null, whole integer not null,
  refs blob not null, thread text not null, head text not null, body text not null, unique(place, uid));
create virtual table grams using fts5(head, body, content='document', content_rowid='id', detail=none, columnsize=0,
  tokenize='trigram case_sensitive 1');
pragma user_version={STAMP};
"""
_NOTHING = Looked(frozenset(), {})


class SqliteTexts:
    """`start` and `stop`. All of it on a lane of its own. `limit`: octets of one account's database; 0: none is kept."""

    def __init__(self, path: str, files: Files, limit: int) -> None:
        self._path, self._files, self._limit = path, files, limit
        self._lane = Lane("mailhub-search")
        self._open: OrderedDict[str, sqlite3.Connection] = OrderedDict()

    def start(self) -> None:
        self._lane.start()

    async def stop(self) -> None:
        await self._lane.call(self._close_all)
        await self._lane.stop()

    async def look(self, folder: Folder, needles: Sequence[Needle]) -> Looked:
        return await self._on(folder.account, _NOTHING, _look, folder, needles)

    async def references(self, folder: Folder) -> Mapping[int, bytes]:
        return await self._on(folder.account, {}, _references, folder)

    async def known(self, folder: Folder) -> tuple[frozenset[int], int]:
        return await self._on(folder.account, (frozenset(), 0), _known, folder)

    async def room(self, account: str) -> bool:
        return self._limit > 0 and await self._on(account, True, _has_room, self._limit)

    async def add(self, folder: Folder, documents: Sequence[Document]) -> None:
        await self._lane.call(self._add, folder, documents)

    async def drop(self, folder: Folder, uids: Sequence[int]) -> None:
        await self._on(folder.account, None, _drop, folder, uids)

    async def drop_folder(self, folder: Folder) -> None:
        await self._on(folder.account, None, _drop_place, folder.name, folder.uidvalidity)

    async def caught_up(self, folder: Folder) -> None:
        await self._on(folder.account, None, _caught_up, folder)

    async def keep(self, account: str, folders: Sequence[Folder]) -> None:
        await self._on(account, None, _keep, folders)

    async def accounts(self) -> list[str]:
        return await self._lane.call(self._accounts)

    async def forget(self, account: str) -> None:
        await self._lane.call(self._forget, account)

    # --- on the lane -------------------------------------------------------------------------------------------------

    async def _on(self, account: str, otherwise: T, work: Callable[..., T], *arguments: object) -> T:
        """`work(db, *arguments)` where the account has a database, and it is sound."""
        return await self._lane.call(self._work, account, otherwise, work, *arguments)

    def _work(self, account: str, otherwise: T, work: Callable[..., T], *arguments: object) -> T:
        try:
            db = self._database(account)
            if db is None:
                return otherwise
            db.execute("begin")
            try:
                found = work(db, *arguments)
            except BaseException:
                db.execute("rollback")
                raise
            db.execute("commit")
            return found
        except (sqlite3.Error, OSError) as error:
            self._failed(account, error)
            return otherwise

    def _failed(self, account: str, error: Exception) -> None:
        log.warning("search index of %s: %s", account, error)
        self._shut(account)
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self._forget(account)

    def _add(self, folder: Folder, documents: Sequence[Document]) -> None:
        try:
            if self._database(folder.account) is None:
                self._make(folder.account)
        except (sqlite3.Error, OSError) as error:
            return self._failed(folder.account, error)
        return self._work(folder.account, None, _add, folder, documents)

    def _file(self, account: str) -> str:
        return f"{self._path}/{maildir.home(account).removesuffix('/Maildir')}.db"

    def _database(self, account: str) -> sqlite3.Connection | None:
        """Open, and of our version; None where there is none."""
        db = self._open.get(account)
        if db is not None:
            self._open.move_to_end(account)
            return db
        path = self._file(account)
        if not self._files.exists(path):
            return None
        db = opened(path)
        if db.execute("pragma user_version").fetchone()[0] != STAMP:
            db.close()
            self._forget(account)
            return None
        return self._remember(account, db)

    def _make(self, account: str) -> None:
        path = self._file(account)
        self._files.make_dirs(path.rpartition("/")[0])
        self._files.close(self._files.create(path))
        db = self._remember(account, opened(path))
        db.executescript(_TABLES)

    def _remember(self, account: str, db: sqlite3.Connection) -> sqlite3.Connection:
        self._open[account] = db
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return db

    def _shut(self, account: str) -> None:
        db = self._open.pop(account, None)
        if db is not None:
            db.close()

    def _close_all(self) -> None:
        for account in list(self._open):
            self._shut(account)

    def _forget(self, account: str) -> None:
        self._shut(account)
        path = self._file(account)
        for end in ("", "-wal", "-shm"):
            if self._files.exists(path + end):
                self._files.unlink(path + end)

    def _accounts(self) -> list[str]:
        if not self._files.exists(self._path):
            return []
        return [
            unquote(f"{name.removesuffix('.db')}@{domain}" if domain != "-" else name.removesuffix(".db"))
            for domain in self._files.listing(self._path)
            for name in self._files.listing(f"{self._path}/{domain}")
            if name.endswith(".db")
        ]


# --- one database ----------------------------------------------------------------------------------------------------


def _place(db: sqlite3.Connection, folder: Folder) -> int:
    """0 where it has nothing of that folder."""
    row = db.execute(
        "select id from place where name=? and uidvalidity=?", (folder.name, folder.uidvalidity)
    ).fetchone()
    return row[0] if row else 0


def _uids(db: sqlite3.Connection, condition: str, *values: object) -> frozenset[int]:
    """In one step of the statement: each step gives the interpreter's lock away."""
    found = db.execute(f"select json_group_array(uid) from document where {condition}", values).fetchone()[0]
    return frozenset(json.loads(found))


def _look(db: sqlite3.Connection, folder: Folder, needles: Sequence[Needle]) -> Looked:
    place = _place(db, folder)
    if not place:
        return _NOTHING
    covered = _uids(db, "place=? and whole", place)
    return Looked(covered, {needle: _found(db, place, needle) for needle in needles})


def _found(db: sqlite3.Connection, place: int, needle: Needle) -> frozenset[int]:
    text = needle.text
    if needle.where == "thread":
        return _uids(db, "place=? and whole and thread=?", place, text)
    values: list[object] = [place]
    named = "place=? and whole"
    if len(text) >= _GRAM:
        named += " and id in (select rowid from grams where grams match ?)"
        values.append(_grams(text))
    if needle.where == "body":
        return _uids(db, f"{named} and instr(body, ?)", *values, text)
    if needle.where == "any":
        return _uids(db, f"{named} and (instr(body, ?) or instr(head, ?))", *values, text, text)
    line = f"{needle.field}: "
    rows = db.execute(
        f"select uid, head from document where {named} and instr(head, ?) and instr(head, ?)", (*values, text, line)
    )
    return frozenset([uid for uid, head in rows if in_field(head, needle.field, text)])


def _grams(text: str) -> str:
    """The query that names every document with all of the text's trigrams, or with some of them where it is long."""
    last = len(text) - _GRAM
    places = range(last + 1) if last < _GRAMS else [last * n // (_GRAMS - 1) for n in range(_GRAMS)]
    return " AND ".join(['"' + text[at : at + _GRAM].replace('"', '""') + '"' for at in dict.fromkeys(places)])


def _references(db: sqlite3.Connection, folder: Folder) -> Mapping[int, bytes]:
    rows = db.execute("select uid, refs from document where place=? and whole", (_place(db, folder),))
    return dict(rows.fetchall())


def _known(db: sqlite3.Connection, folder: Folder) -> tuple[frozenset[int], int]:
    place = _place(db, folder)
    if not place:
        return frozenset(), 0
    return _uids(db, "place=?", place), db.execute("select modseq from place where id=?", (place,)).fetchone()[0]


def _has_room(db: sqlite3.Connection, limit: int) -> bool:
    pages, free, size = (
        db.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return bool((pages - free) * size < limit)


def _add(db: sqlite3.Connection, folder: Folder, documents: Sequence[Document]) -> None:
    db.execute("insert or ignore into place(name, uidvalidity) values (?, ?)", (folder.name, folder.uidvalidity))
    place = _place(db, folder)
    _remove(db, place, [document.uid for document in documents])
    db.executemany(
        "insert into document(place, uid, whole, refs, thread, head, body) values (?, ?, ?, ?, ?, ?, ?)",
        [(place, one.uid, one.whole, one.references, one.thread, one.head, one.body) for one in documents],
    )
    db.execute(
        "insert into grams(rowid, head, body) select id, head, body from document"
        " where place=? and uid in (select value from json_each(?))",
        (place, json.dumps([document.uid for document in documents])),
    )


def _drop(db: sqlite3.Connection, folder: Folder, uids: Sequence[int]) -> None:
    _remove(db, _place(db, folder), uids)


def _remove(db: sqlite3.Connection, place: int, uids: Sequence[int]) -> None:
    values = place, json.dumps(list(uids))
    chosen = "from document where place=? and uid in (select value from json_each(?))"
    db.execute(f"insert into grams(grams, rowid, head, body) select 'delete', id, head, body {chosen}", values)
    db.execute(f"delete {chosen}", values)


def _drop_place(db: sqlite3.Connection, name: str, uidvalidity: int) -> None:
    row = db.execute("select id from place where name=? and uidvalidity=?", (name, uidvalidity)).fetchone()
    if row is not None:
        _remove(db, row[0], sorted(_uids(db, "place=?", row[0])))
        db.execute("delete from place where id=?", row)


def _caught_up(db: sqlite3.Connection, folder: Folder) -> None:
    db.execute(
        "update place set modseq=? where name=? and uidvalidity=?", (folder.modseq, folder.name, folder.uidvalidity)
    )


def _keep(db: sqlite3.Connection, folders: Sequence[Folder]) -> None:
    kept = {(folder.name, folder.uidvalidity) for folder in folders}
    for name, uidvalidity in db.execute("select name, uidvalidity from place").fetchall():
        if (name, uidvalidity) not in kept:
            _drop_place(db, name, uidvalidity)
