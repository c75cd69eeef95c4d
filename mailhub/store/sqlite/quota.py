"""Quota: what an account uses, by the counters of its folders, and what it may use."""

import sqlite3

from msgspec import Struct

from mailhub.model.errors import OverQuota
from mailhub.model.mailbox import UNLIMITED, Limits, Quota

from .writer import Told


def quota_of(db: sqlite3.Connection, account: str, default: Limits) -> Quota:
    """The account's own limits go before its domain's, and those before `default`; each by itself."""
    storage, messages = db.execute(
        "select coalesce(sum(size), 0), coalesce(sum(messages), 0) from folder where account=?", (account,)
    ).fetchone()
    return Quota(storage, messages, limits_of(db, account, default))


def limits_of(db: sqlite3.Connection, account: str, default: Limits) -> Limits:
    storage: int | None = None
    messages: int | None = None
    for name in (account, "@" + account.rpartition("@")[2]):
        own = own_limits(db, name)
        storage = own[0] if storage is None else storage
        messages = own[1] if messages is None else messages
    return Limits(default.storage if storage is None else storage, default.messages if messages is None else messages)


def own_limits(db: sqlite3.Connection, name: str) -> tuple[int | None, int | None]:
    row = db.execute("select storage, messages from quota where name=?", (name,)).fetchone()
    return (None, None) if row is None else (row[0], row[1])


def make_room(db: sqlite3.Connection, account: str, default: Limits, storage: int, messages: int) -> None:
    """OverQuota where so much more would be too much. In the unit that adds it, so that two cannot share one room."""
    limits = limits_of(db, account, default)
    if limits != UNLIMITED and not quota_of(db, account, default).takes(storage, messages):
        raise OverQuota(f"{account} has no room for {messages} messages of {storage} octets")


class SetLimits(Struct, frozen=True):
    """`name`: an account, or "@domain". None: not its own; 0: no limit."""

    name: str
    storage: int | None
    messages: int | None

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute("delete from quota where name=?", (self.name,))
        if self.storage is not None or self.messages is not None:
            db.execute("insert into quota values (?,?,?)", (self.name, self.storage, self.messages))
