"""What keeps a store whole where programs change: no start on half a restore, and a copy before an upgrade."""

import os
import sqlite3

from mailhub.model.errors import Permanent

from ..files import Files
from ..left import LEFT, left_behind
from .schema import VERSION

UNFINISHED = "restore.unfinished"  # in the data folder: the name of the backup that is being restored into it


def refuse_unfinished(files: Files, data: str) -> None:
    """Permanent where a restore was broken off."""
    if files.exists(f"{data}/{UNFINISHED}"):
        name = files.read(f"{data}/{UNFINISHED}", 0, 100).decode("ascii", "replace").strip()
        raise Permanent(f"{data} holds half of the backup {name!r}: run the same `mailhub restore` again, it goes on")


def refuse_half(db: sqlite3.Connection, data: str) -> None:
    """Permanent where a migration from a cluster was broken off, or all was moved away."""
    if db.execute("select 1 from sqlite_master where name = 'migrated'").fetchone():
        (source,) = db.execute("select value from migrated where name = ''").fetchone()
        raise Permanent(
            f"{data} holds half of what is moved from {source}: run the same `mailhub store migrate` again, it goes on"
        )
    for (target,) in db.execute("select value from meta where key = ?", (LEFT,)):
        raise Permanent(left_behind(f"SQLite in {data}", target))


def safety_copy(files: Files, database: str) -> str | None:
    """Before an upgrade: DATA/mailhub.db.before-N, synced, beside the store that is about to be changed; its path, None where nothing is
    to be changed. That of an upgrade that was broken off stays: it has the store as it was. That of an earlier one goes."""
    found = _version(files, database)
    if not 0 < found < VERSION:
        return None
    copy = f"{database}.before-{VERSION}"
    if not files.exists(copy):
        folder, _, name = database.rpartition("/")
        need, free = files.size(database) or 0, files.free_space(folder)
        if free < need:
            raise Permanent(
                f"the store is to be brought from version {found} to {VERSION}, and the copy before that needs {need} octets:"
                f" {folder} has {free}; make room"
            )
        _copy(files, database, f"{copy}.part")
        files.rename(f"{copy}.part", copy)
        files.sync_file(folder)
        for other in files.listing(folder):
            if other.startswith(f"{name}.before-") and f"{folder}/{other}" != copy:
                files.unlink(f"{folder}/{other}")
    return copy


def _version(files: Files, database: str) -> int:
    if not files.exists(database):
        return 0
    db = sqlite3.connect(database)
    try:
        return int(db.execute("pragma user_version").fetchone()[0])
    finally:
        db.close()


def _copy(files: Files, database: str, target: str) -> None:
    files.unlink(target)
    os.close(files.create(target))
    source, copy = sqlite3.connect(database), sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("pragma journal_mode=delete")
    finally:
        copy.close()
        source.close()
    files.sync_file(target)
