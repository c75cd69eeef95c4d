"""What a backup that is under way has seen: a database that goes when it is done, so that memory does not grow with the mail."""

import sqlite3
from collections.abc import Iterable

from mailhub.model.mailbox import origin

from .manifest import Entry

_TABLES = """
pragma journal_mode=off; pragma synchronous=off;
create table known(account text, folder text, file text, size integer, date integer, digest text,
  primary key(account, folder, file)) without rowid;
create table trusted(digest text primary key) without rowid;
create table seen(account text, folder text, file text, name_flags integer, size integer, date integer, digest text, origin text,
  uid integer not null default 0, primary key(account, folder, file)) without rowid;
create index seen_origin on seen(account, origin);
create table other(kind text, account text, folder text, file text, size integer, date integer, digest text,
  primary key(kind, account, folder, file)) without rowid;
begin;
"""


class Work:
    """`join` lays it beside the cut, in one connection; its tables have names that no table of the store has."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        self._db.executescript(_TABLES)

    def know(self, entries: Iterable[Entry]) -> None:
        """What the backup before has."""
        for entry in entries:
            self._db.execute("insert or ignore into trusted values (?)", (entry.digest,))
            if entry.kind == "mail":
                self._db.execute("insert or replace into known values (?,?,?,?,?,?)",
                                 (entry.account, entry.folder, entry.file, entry.size, entry.date, entry.digest))  # fmt: skip

    def trusted(self, digest: str) -> bool:
        return self._db.execute("select 1 from trusted where digest=?", (digest,)).fetchone() is not None

    def known(self, account: str, folder: str, file: str, size: int, date: int) -> str | None:
        """The digest of a file that is as the backup before saw it."""
        row = self._db.execute(
            "select digest from known where account=? and folder=? and file=? and size=? and date=?",
            (account, folder, file, size, date),
        ).fetchone()
        return None if row is None else str(row[0])

    def saw(self, account: str, folder: str, file: str, name_flags: int, found: tuple[str, int, int]) -> None:
        """A mail file. `found`: digest, size, date."""
        digest, size, date = found
        self._db.execute("insert or replace into seen values (?,?,?,?,?,?,?,?,0)",
                         (account, folder, file, name_flags, size, date, digest, origin(file)))  # fmt: skip

    def alike(self, account: str, file: str) -> tuple[str, int, int] | None:
        """Another copy of the same message: its digest, size, date."""
        row = self._db.execute(
            "select digest, size, date from seen where account=? and origin=? limit 1", (account, origin(file))
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def saw_other(self, kind: str, account: str, folder: str, file: str, found: tuple[str, int, int]) -> None:
        digest, size, date = found
        self._db.execute("insert or replace into other values (?,?,?,?,?,?,?)",
                         (kind, account, folder, file, size, date, digest))  # fmt: skip

    def has_spool(self, file: str) -> bool:
        return self._db.execute("select 1 from other where kind='spool' and file=?", (file,)).fetchone() is not None

    def join(self, db: sqlite3.Connection) -> None:
        self._db.execute("commit")
        self._db.close()
        db.execute("attach ? as work", (self._path,))
        self._db = db

    def close(self) -> None:
        self._db.close()
