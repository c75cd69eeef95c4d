"""Units that record what became of files: written, renamed, synced."""

import json
import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from .. import maildir
from .filing import get_folder
from .mailbox_units import intend, path
from .queue_units import drop_contents
from .writer import Told


class Place(Struct, frozen=True):
    """A message's file lies where `name_flags` says. `uid` is the row it was written or renamed for."""

    folder: int
    uid: int
    file: str
    name_flags: int


class LetGo(Struct, frozen=True):
    """A spool file that somebody gave up goes, unless a unit that was given before has made it part of a message."""

    patient: ClassVar[bool] = True
    spool: str

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if db.execute("select 1 from content where spool=?", (self.spool,)).fetchone() is None:
            told.spools.append(self.spool)


class Placed(Struct, frozen=True):
    """Record places. A file whose row went away meanwhile is to be unlinked."""

    patient: ClassVar[bool] = True
    places: Sequence[Place]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        for place in self.places:
            found = db.execute(
                "update message set name_flags=?1, dirty=(max(0, ?1) != flags & ?2)"
                " where folder=?3 and uid=?4 and file=?5",
                (place.name_flags, maildir.VISIBLE, place.folder, place.uid, place.file),
            ).rowcount
            if not found and db.execute("select 1 from folder where id=?", (place.folder,)).fetchone():
                folder = get_folder(db, place.folder)
                intend(db, told, "unlink", path(folder, place.file, place.name_flags))


class Forget(Struct, frozen=True):
    """These files are known to be synced and these intents done: `filed` is (content, folder, uid) each."""

    patient: ClassVar[bool] = True
    filed: Sequence[tuple[int, int, int]]
    intents: Sequence[int]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        if self.filed:
            db.execute(
                "delete from filed where (content, folder, uid) in"
                " (select value->>0, value->>1, value->>2 from json_each(?))",
                (json.dumps(self.filed),),
            )
            drop_contents(db, told, sorted({row[0] for row in self.filed}))
        if self.intents:
            db.execute("delete from intent where id in (select value from json_each(?))", (json.dumps(self.intents),))
