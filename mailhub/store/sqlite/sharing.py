"""api.SharingStore on SQLite."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from msgspec import Struct

from mailhub.model.errors import LimitReached
from mailhub.model.mailbox import FlagOp, Folder

from ..api import AnnotationLimits, Entries, Place
from ..lane import Lane
from .filing import FOLDER, folder_of, get_folder
from .writer import Told, Writer


class ChangeAcl(Struct, frozen=True):
    folder: int
    identifier: str
    op: FlagOp
    rights: str
    limit: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        entries = dict(_acl(db, folder.id))
        old, asked = set(entries.get(self.identifier, "")), set(self.rights)
        new = {FlagOp.REPLACE: asked, FlagOp.ADD: old | asked, FlagOp.REMOVE: old - asked}[self.op]
        if not new:
            db.execute("delete from acl where folder=? and identifier=?", (folder.id, self.identifier))
        elif self.identifier not in entries and len(entries) >= self.limit:
            raise LimitReached("mailbox.acl_limit")
        else:
            row = (folder.id, self.identifier, "".join(sorted(new)))
            db.execute("insert or replace into acl values (?,?,?)", row)
        # who looks at the folder asks again what he may do; who lists folders, which there are
        told.change(folder.account, folder.id, folder.modseq)
        told.change(folder.account, None)


class Annotate(Struct, frozen=True):
    values: Mapping[Place, Sequence[tuple[str, bytes | None]]]
    limits: AnnotationLimits

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        for place, values in self.values.items():
            if place.folder:
                get_folder(db, place.folder)  # NotFound where it is gone
            count, octets = self._held(db, place)
            for entry, value in values:
                self._set(db, place, entry, value)
            if place.folder and values:  # RFC 7162 section 3.2
                folder = get_folder(db, place.folder)
                db.execute("update folder set modseq=? where id=?", (folder.modseq + 1, folder.id))
                told.change(folder.account, folder.id, folder.modseq + 1)
            now, then = self._held(db, place), (max(count, self.limits.count), max(octets, self.limits.octets))
            if now[0] > then[0] or now[1] > then[1]:  # what is over a limit that was lowered may still become less
                raise LimitReached("mailbox.metadata_limit, mailbox.metadata_account_limit")

    def _held(self, db: sqlite3.Connection, place: Place) -> tuple[int, int]:
        """Annotations at that place, and octets of all that its holder has."""
        found: tuple[int, int] = db.execute(
            "select coalesce(sum(folder=? and private=?), 0), coalesce(sum(length(value)), 0) from annotation where holder=?",
            (place.folder, place.private, place.holder),
        ).fetchone()
        return found

    def _set(self, db: sqlite3.Connection, place: Place, entry: str, value: bytes | None) -> None:
        key = (place.holder, place.folder, place.private, entry)
        if value is None:
            db.execute("delete from annotation where holder=? and folder=? and private=? and entry=?", key)
        else:
            db.execute(
                "insert into annotation values (?,?,?,?,?)"
                " on conflict(holder, folder, private, entry) do update set value=excluded.value",
                (*key, value),
            )


class CopyAnnotations(Struct, frozen=True):
    """RFC 5464 section 4.1: INBOX keeps its annotations when it is renamed, and the new folder has them too."""

    source: int
    target: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute(
            "insert or ignore into annotation select holder, ?, private, entry, value from annotation where folder=?",
            (self.target, self.source),
        )


def forget_folder(db: sqlite3.Connection, folder: int) -> None:
    """With the folder that is deleted: a later one of its name inherits neither (RFC 4314 section 4, RFC 5464 section 4.1)."""
    db.execute("delete from acl where folder=?", (folder,))
    db.execute("delete from annotation where folder=?", (folder,))


def forget_account(db: sqlite3.Connection, account: str) -> None:
    """What was granted to an account that is gone is not granted to the next one of that name."""
    if not account.startswith("-"):  # that entry is another's
        db.execute("delete from acl where identifier in (?, ?)", (account, f"-{account}"))
    db.execute("delete from annotation where holder=?", (account,))


def _acl(db: sqlite3.Connection, folder: int) -> Entries:
    rows = db.execute("select identifier, rights from acl where folder=? order by identifier", (folder,))
    return tuple(rows.fetchall())


class SqliteSharing:
    """Reads on the reading lane, units on the writer."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection) -> None:
        self._writer, self._reader, self._db = writer, reader, db

    async def acl(self, folder: int) -> Entries:
        return await self._reader.call(_acl, self._db, folder)

    async def change_acl(self, folder: int, identifier: str, op: FlagOp, rights: str, limit: int) -> None:
        await self._writer.do(ChangeAcl(folder, identifier, op, rights, limit))

    async def shared_with(self, identifiers: Sequence[str], besides: str) -> list[tuple[Folder, Entries]]:
        return await self._reader.call(self._shared_with, tuple(identifiers), besides)

    def _shared_with(self, identifiers: tuple[str, ...], besides: str) -> list[tuple[Folder, Entries]]:
        others = "account != ? and id in (select folder from acl where identifier in (select value from json_each(?)))"
        return self._with_acl(others, besides, json.dumps(identifiers))

    async def shared_by(self, account: str) -> list[tuple[Folder, Entries]]:
        own = "account = ? and exists (select 1 from acl where acl.folder = folder.id) order by name"
        return await self._reader.call(self._with_acl, own, account)

    def _with_acl(self, where: str, *values: str) -> list[tuple[Folder, Entries]]:
        lists = "(select json_group_array(json_array(identifier, rights)) from acl where acl.folder = folder.id)"
        rows = self._db.execute(f"select {lists}, {FOLDER} from folder where {where}", values).fetchall()
        return [(folder_of(row[1:]), tuple((name, rights) for name, rights in json.loads(row[0]))) for row in rows]

    async def annotations(self, place: Place) -> list[tuple[str, bytes]]:
        return await self._reader.call(self._annotations, place)

    def _annotations(self, place: Place) -> list[tuple[str, bytes]]:
        return self._db.execute(
            "select entry, value from annotation where holder=? and folder=? and private=? order by entry",
            (place.holder, place.folder, place.private),
        ).fetchall()

    async def annotated(self, folders: Sequence[int]) -> frozenset[int]:
        return await self._reader.call(self._annotated, tuple(folders))

    def _annotated(self, folders: tuple[int, ...]) -> frozenset[int]:
        rows = self._db.execute(
            "select value from json_each(?) where exists (select 1 from annotation a where a.folder=json_each.value)",
            (json.dumps(folders),),
        )
        return frozenset(row[0] for row in rows.fetchall())

    async def annotate(
        self, values: Mapping[Place, Sequence[tuple[str, bytes | None]]], limits: AnnotationLimits
    ) -> None:
        await self._writer.do(Annotate(values, limits))
