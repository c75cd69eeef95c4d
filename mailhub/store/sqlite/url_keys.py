"""Keys that sign URLs of a folder's messages (RFC 4467 section 3), as units."""

import sqlite3

from msgspec import Struct

from mailhub.model.errors import NotFound
from mailhub.model.mailbox import Folder

from .filing import get_folder
from .writer import Told


class UrlKey(Struct, frozen=True):
    """The folder's key; `key` where it has none yet."""

    folder: int
    key: bytes

    def apply(self, db: sqlite3.Connection, told: Told) -> bytes:
        get_folder(db, self.folder)
        db.execute("insert or ignore into url_key values (?,?)", (self.folder, self.key))
        found: bytes = db.execute("select key from url_key where folder=?", (self.folder,)).fetchone()[0]
        return found


class ForgetUrlKey(Struct, frozen=True):
    folder: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute("delete from url_key where folder=?", (self.folder,))


def known_url_key(db: sqlite3.Connection, account: str, name: str) -> tuple[Folder, bytes]:
    """A folder and its key; NotFound where there is none, of the two."""
    row = db.execute(
        "select folder, key from url_key join folder on folder.id = url_key.folder where account=? and name=?",
        (account, name),
    ).fetchone()
    if row is None:
        raise NotFound(f"no key of folder {name[:80]!r}")
    return get_folder(db, row[0]), row[1]
