"""Old backups taken away, and octets that none names any more. Killed at any moment it leaves whole backups whole."""

import os
import shutil
import sqlite3
from contextlib import closing

from .layout import MANIFEST, PARTIAL, Folder
from .manifest import entries

_NAMED = "named.db"


def prune(folder: Folder, keep: int) -> tuple[list[str], int]:
    """Keep the newest `keep`, 1 at least. Names of those that went, and how many objects did. The folder is locked."""
    names = folder.names()
    gone = names[: -max(1, keep)]
    for name in gone:
        folder.files.rename(str(folder.path / name), str(folder.path / (name + PARTIAL)))
    folder.files.sync_file(str(folder.path))
    for name in gone:
        shutil.rmtree(folder.path / (name + PARTIAL))
    return gone, _sweep(folder)


def _sweep(folder: Folder) -> int:
    """Octets that no whole backup names. A manifest that can not be read stops it: nothing is deleted on a guess."""
    path = folder.path / _NAMED
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("pragma journal_mode=off; pragma synchronous=off;"
                         "create table named(digest text primary key) without rowid; begin;")  # fmt: skip
        for name in folder.names():
            for entry in entries(str(folder.path / name / MANIFEST), folder.head(name).manifest):
                db.execute("insert or ignore into named values (?)", (entry.digest,))
        db.execute("commit")
        removed = 0
        for part in folder.files.listing(str(folder.path / "objects")):
            with os.scandir(folder.path / "objects" / part) as found:
                for entry_ in found:
                    digest = part + entry_.name
                    if db.execute("select 1 from named where digest=?", (digest,)).fetchone() is None:
                        folder.files.unlink(entry_.path)
                        removed += 1
    path.unlink()
    return removed
