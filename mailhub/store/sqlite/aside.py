"""Databases beside the store's own, each of one thread: what is lost with one can be made again."""

import os
import sqlite3


def opened(path: str) -> sqlite3.Connection:
    """A connection; what SQLite needs for a moment stays in memory: a confined server has no /var/tmp."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("busy_timeout=5000", "temp_store=memory", "journal_mode=wal", "synchronous=normal"):
            db.execute(f"pragma {setting}")
    except BaseException:
        db.close()
        raise
    return db


def made(path: str, tables: str, version: int) -> sqlite3.Connection:
    """The same with its tables, which are made where it is new and set `user_version`; DatabaseError where it has another version."""
    db = opened(path)
    try:
        found = db.execute("pragma user_version").fetchone()[0]
        if not found:
            db.executescript(tables)
            os.chmod(path, 0o600)
        elif found != version:
            raise sqlite3.DatabaseError(f"it has version {found}")
    except BaseException:
        db.close()
        raise
    return db
