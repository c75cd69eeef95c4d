"""api.JunkStore on a SQLite database of its own, on a lane of its own: no lesson waits for mail, and no mail for a lesson.

Not synced at each commit. What cannot be read is begun anew.
"""

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from mailhub.model.errors import Temporary
from mailhub.model.junk import Counts

from ..api import JunkLimits, Lesson
from ..lane import Lane
from .aside import made

log = logging.getLogger("mailhub.store")
T = TypeVar("T")

_VERSION = 1
_DAY = 86_400
_TRIM = 50  # lessons of an owner between two looks at its bounds
_TABLES = f"""
create table owner(id integer primary key, name text not null unique, junk integer not null, good integer not null,
  lessons integer not null);
create table token(owner integer not null, token integer not null, junk integer not null, good integer not null,
  day integer not null, primary key(owner, token)) without rowid;
create index token_day on token(owner, day);
create table taught(owner integer not null, message integer not null, junk integer not null, day integer not null,
  primary key(owner, message)) without rowid;
create index taught_day on taught(owner, day);
pragma user_version={_VERSION};
"""
_OWNERS = "select id from owner where name in (select value from json_each(?))"


class SqliteJunk:
    """`start` and `stop`. The database is opened at the first use."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lane = Lane("mailhub-junk")
        self._db: sqlite3.Connection | None = None

    def start(self) -> None:
        self._lane.start()

    async def stop(self) -> None:
        await self._lane.call(self._close)
        await self._lane.stop()

    async def totals(self, owners: Sequence[str]) -> Counts:
        return await self._read(_totals, owners)

    async def counts(self, owners: Sequence[str], tokens: Sequence[int]) -> dict[int, Counts]:
        return await self._read(_counts, owners, tokens)

    async def learn(self, owners: Sequence[str], lesson: Lesson, now: float, limits: JunkLimits) -> bool:
        return await self._do(_learn, owners, lesson, int(now) // _DAY, limits)

    async def sizes(self, after: str, limit: int) -> list[tuple[str, Counts, int]]:
        return await self._read(_sizes, after, limit)

    async def forget(self, owner: str) -> None:
        await self._do(_forget, owner)

    # --- on the lane ---

    async def _read(self, work: Callable[..., T], *values: object) -> T:
        return await self._lane.call(self._asked, work, *values)

    def _asked(self, work: Callable[..., T], *values: object) -> T:
        try:
            return work(self._open(), *values)
        except sqlite3.Error as error:
            raise Temporary(f"{self._path}: {error}") from error

    async def _do(self, work: Callable[..., T], *values: object) -> T:
        return await self._lane.call(self._done, work, *values)

    def _done(self, work: Callable[..., T], *values: object) -> T:
        try:
            db = self._open()
            with db:
                db.execute("begin")
                return work(db, *values)
        except sqlite3.Error as error:
            raise Temporary(f"{self._path}: {error}") from error

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = connected(self._path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                log.warning("%s cannot be read (%s), and is begun anew", self._path, error)
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._path + suffix)
                self._db = connected(self._path)
        return self._db


def connected(path: str) -> sqlite3.Connection:
    """The database, made where it is missing."""
    return made(path, _TABLES, _VERSION)


def _totals(db: sqlite3.Connection, owners: Sequence[str]) -> Counts:
    text = f"select coalesce(sum(junk), 0), coalesce(sum(good), 0) from owner where id in ({_OWNERS})"
    return Counts(*db.execute(text, (json.dumps(owners),)).fetchone())


def _counts(db: sqlite3.Connection, owners: Sequence[str], tokens: Sequence[int]) -> dict[int, Counts]:
    rows = db.execute(
        f"select token, sum(junk), sum(good) from token where owner in ({_OWNERS})"
        " and token in (select value from json_each(?)) group by token",
        (json.dumps(owners), json.dumps(tokens)),
    )
    return {token: Counts(junk, good) for token, junk, good in rows}


def _learn(db: sqlite3.Connection, owners: Sequence[str], lesson: Lesson, day: int, limits: JunkLimits) -> bool:
    new = False
    for name in owners:
        db.execute("insert into owner(name, junk, good, lessons) values (?,0,0,0) on conflict do nothing", (name,))
        owner, lessons = db.execute("select id, lessons from owner where name=?", (name,)).fetchone()
        before = db.execute("select junk from taught where owner=? and message=?", (owner, lesson.key)).fetchone()
        if before == (lesson.junk,) or before == lesson.junk:  # so already; or not there, and to be forgotten
            continue
        new = True
        if before is not None:
            _count(db, owner, lesson, bool(before[0]), -1, day)
            db.execute("delete from taught where owner=? and message=?", (owner, lesson.key))
        if lesson.junk is not None:
            _count(db, owner, lesson, lesson.junk, 1, day)
            db.execute("insert into taught values (?,?,?,?)", (owner, lesson.key, lesson.junk, day))
        db.execute("update owner set lessons=lessons+1 where id=?", (owner,))
        if lessons % _TRIM == _TRIM - 1:
            _trim(db, owner, day, limits)
    return new


def _count(db: sqlite3.Connection, owner: int, lesson: Lesson, junk: bool, sign: int, day: int) -> None:
    column = "junk" if junk else "good"
    db.execute(f"update owner set {column}=max(0, {column}+?) where id=?", (sign, owner))
    tokens = json.dumps(lesson.tokens)
    if sign > 0:
        db.execute(
            "insert into token select ?1, value, ?2, ?3, ?4 from json_each(?5) where true"
            f" on conflict(owner, token) do update set {column}={column}+1, day=?4",
            (owner, int(junk), int(not junk), day, tokens),
        )
    else:
        these = "owner=? and token in (select value from json_each(?))"
        db.execute(f"update token set {column}=max(0, {column}-1) where {these}", (owner, tokens))
        db.execute(f"delete from token where {these} and junk=0 and good=0", (owner, tokens))


def _trim(db: sqlite3.Connection, owner: int, day: int, limits: JunkLimits) -> None:
    """What was not taught again for long, and beyond the limit what was taught longest ago."""
    oldest = day - int(limits.expire // _DAY)
    for table, key in (("token", "token"), ("taught", "message")):
        db.execute(f"delete from {table} where owner=? and day<?", (owner, oldest))
        (count,) = db.execute(f"select count(*) from {table} where owner=?", (owner,)).fetchone()
        if count > limits.tokens:
            db.execute(
                f"delete from {table} where owner=?1 and {key} in"
                f" (select {key} from {table} where owner=?1 order by day limit ?2)",
                (owner, count - limits.tokens * 9 // 10),
            )


def _sizes(db: sqlite3.Connection, after: str, limit: int) -> list[tuple[str, Counts, int]]:
    rows = db.execute(
        "select name, junk, good, (select count(*) from token where owner=owner.id) from owner where name > ?1 or ?1 = '' and name = ''"
        " order by name limit ?2",
        (after, limit),
    )
    return [(name, Counts(junk, good), tokens) for name, junk, good, tokens in rows]


def _forget(db: sqlite3.Connection, owner: str) -> None:
    found = db.execute("select id from owner where name=?", (owner,)).fetchone()
    if found is not None:
        for text in ("token where owner", "taught where owner", "owner where id"):
            db.execute(f"delete from {text}=?", found)
