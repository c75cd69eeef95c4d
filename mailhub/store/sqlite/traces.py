"""api.TraceStore on a SQLite database of its own: it may be thrown away, and is where it cannot be read.

Not synced at each commit: a power cut costs the last steps of a trace, and mail waits for none of them.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Sequence

from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.model.trace import Event, TraceQuery

from ..lane import Lane
from .aside import made

log = logging.getLogger("mailhub.store")

_VERSION = 1
_PRUNE = 1_000  # events between two looks at the bounds
_TAKEN = 5_000  # events taken away at a time
_SHARE = 5  # what was refused may have one in so many of the events, so that a flood of it pushes nothing else out
_EVENTS = 1_000  # of one message, that are shown
_TABLES = f"""
create table event(id integer primary key, at real not null, message integer not null, stage text not null,
  text text not null, address text not null, message_id text not null);
create index event_message on event(message) where message != 0;
create index event_address on event(address) where address != '';
create index event_message_id on event(message_id) where message_id != '';
create index event_refused on event(id) where message = 0;
pragma user_version={_VERSION};
"""


class SqliteTraces:
    """`start` and `stop`. All of it on a lane of its own."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._lane = Lane("mailhub-trace")
        self._db: sqlite3.Connection | None = None
        self._since = 0

    def start(self) -> None:
        self._lane.start()

    async def stop(self) -> None:
        await self._lane.call(self._close)
        await self._lane.stop()

    async def record(self, events: Sequence[Event], keep: float, limit: int) -> None:
        await self._lane.call(self._record, events, self._clock.now() - keep, limit)

    async def find(self, query: TraceQuery) -> list[Event]:
        return await self._lane.call(self._find, query)

    # --- on the lane ---

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self) -> sqlite3.Connection:
        """At the first use. What is no trace of this version is begun anew."""
        if self._db is not None:
            return self._db
        for fresh in (False, True):
            if fresh:
                log.warning("%s cannot be read, and is begun anew", self._path)
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._path + suffix)
            try:
                self._db = made(self._path, _TABLES, _VERSION)
                return self._db
            except sqlite3.DatabaseError as error:
                if fresh or isinstance(error, sqlite3.OperationalError):
                    raise
        raise AssertionError

    def _record(self, events: Sequence[Event], oldest: float, limit: int) -> None:
        rows = [(e.at, e.message, e.stage, e.text, e.address, e.message_id) for e in events]
        try:
            db = self._open()
            with db:
                db.execute("begin")
                db.executemany(
                    "insert into event(at, message, stage, text, address, message_id) values (?,?,?,?,?,?)", rows
                )
                self._since += len(rows)
                if self._since >= _PRUNE:
                    self._since = 0
                    _prune(db, oldest, limit)
        except sqlite3.Error as error:
            raise Temporary(f"{self._path}: {error}") from error

    def _find(self, query: TraceQuery) -> list[Event]:
        try:
            db = self._open()
            found: list[Event] = []
            for message in self._messages(db, query):
                found += _events(db, "message = ? order by id", message, _EVENTS)
            if query.address:
                found += _events(db, "address = ? and message = 0 order by id desc", query.address.lower(), query.limit)
            return found
        except sqlite3.Error as error:
            raise Temporary(f"{self._path}: {error}") from error

    @staticmethod
    def _messages(db: sqlite3.Connection, query: TraceQuery) -> list[int]:
        if query.messages:
            return list(query.messages)
        column, value = ("message_id", query.message_id) if query.message_id else ("address", query.address.lower())
        if not value:
            return []
        newest = f"select distinct message from event where {column} = ? and message != 0 order by message desc limit ?"
        return [row[0] for row in db.execute(newest, (value, query.limit))]


def _events(db: sqlite3.Connection, where: str, value: int | str, limit: int) -> list[Event]:
    columns = "at, message, stage, text, address, message_id"
    return [Event(*row) for row in db.execute(f"select {columns} from event where {where} limit ?", (value, limit))]


def _prune(db: sqlite3.Connection, oldest: float, limit: int) -> None:
    """Ids follow the time, so that the oldest are a range."""
    old = "select id from event where at < ? order by id limit ?"
    db.execute(f"delete from event where id in ({old})", (oldest, _TAKEN))
    (kept,) = db.execute("select count(*) from event").fetchone()
    (refused,) = db.execute("select count(*) from event where message = 0").fetchone()
    over = max(0, refused - limit // _SHARE)
    for which, many in (("where message = 0", over), ("", kept - over - limit)):
        some = f"select id from event {which} order by id limit ?"
        db.execute(f"delete from event where id in ({some})", (max(0, min(_TAKEN, many)),))
