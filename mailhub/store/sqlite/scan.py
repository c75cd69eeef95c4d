"""Taking in what other programs did to a Maildir, and making an index again from the files.

A file that is unknown is entered with the UID that dovecot-uidlist gives it, else with the next one. A row without a
file is expunged. A changed name is merged into the flags as a difference. A delivery of ours that is not settled yet is
left alone: its unit will enter it.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mailhub.message.structure import render
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.mailbox import SEEN, Folder

from .. import maildir
from ..files import Files
from ..lane import Lane
from .filer import Filer
from .filing import FOLDER, Entry, enter, folder_of, get_folder, make_folder
from .mailbox_units import Expunge
from .writer import Told, Writer

T = TypeVar("T")
_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a Maildir: base name, flags in its name (maildir.IN_NEW in new/), and its path."""

    base: str
    name_flags: int
    path: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """A folder found on disk, with the numbers that dovecot-uidlist gives it."""

    account: str
    name: str
    uidvalidity: int
    uidnext: int
    keywords: tuple[str, ...]
    now: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        row = db.execute("select id, uidnext, messages from folder where account=? and name=?",
                         (self.account, self.name)).fetchone()  # fmt: skip
        if row is None:
            number = make_folder(db, told, self.account, self.name, self.now, uidvalidity=self.uidvalidity).id
        elif row[1] == 1 and not row[2] and self.uidvalidity:  # made a moment ago, never used
            number = row[0]
            db.execute("update folder set uidvalidity=? where id=?", (self.uidvalidity, number))
        else:
            return
        db.execute("update folder set uidnext=?, recent_from=?, keywords=? where id=?",
                   (max(1, self.uidnext), max(1, self.uidnext), json.dumps(self.keywords), number))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Enter:
    """Files that the index does not know. Deliveries that are still queued are passed over."""

    folder: int
    entries: tuple[Entry, ...]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        new = [entry for entry in self.entries if not self._ours(db, folder, entry)]
        taken = {row[0] for row in db.execute("select uid from message where folder=?", (folder.id,)).fetchall()}
        fresh = [entry for entry in new if not entry.uid or entry.uid in taken]
        known = [entry for entry in new if entry.uid and entry.uid not in taken]
        if known:
            enter(db, told, folder, sorted(known, key=lambda entry: entry.uid))
        if fresh:
            again = get_folder(db, folder.id)
            enter(db, told, again, [Entry(e.flags, e.date, e.size, e.name_flags, e.file, e.envelope, e.structure)
                                    for e in fresh])  # fmt: skip

    def _ours(self, db: sqlite3.Connection, folder: Folder, entry: Entry) -> bool:
        if db.execute("select 1 from message where folder=? and file=?", (folder.id, entry.file)).fetchone():
            return True
        if db.execute("select 1 from intent where source like ? escape '\\'", (_like(entry.file),)).fetchone():
            return True
        delivery = maildir.DELIVERY.match(entry.file)
        if delivery is None:
            return False
        try:
            item = ids.number(delivery[1])
        except ValueError:
            return False
        row = db.execute("select 1 from recipient where item=? and n=?", (item, int(delivery[2]))).fetchone()
        return row is not None


def _like(base: str) -> str:
    return "%" + base.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


@dataclass(frozen=True, slots=True)
class MergeNames:
    """(uid, flags in the name now): the difference to the name seen last is what another program changed."""

    folder: int
    names: tuple[tuple[int, int], ...]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        folder = get_folder(db, self.folder)
        for uid, now in self.names:
            row = db.execute(
                "select flags, name_flags from message where folder=? and uid=?", (folder.id, uid)
            ).fetchone()
            if row is None:
                continue
            flags, last = row[0], max(0, row[1])
            merged = flags ^ ((max(0, now) ^ last) & maildir.VISIBLE)
            db.execute(
                "update message set flags=?, name_flags=?, dirty=?, modseq=? where folder=? and uid=?",
                (merged, now, merged & maildir.VISIBLE != max(0, now), folder.modseq + 1, folder.id, uid),
            )
            db.execute("update folder set unseen=unseen+? where id=?", ((flags & SEEN) - (merged & SEEN), folder.id))
        db.execute("update folder set modseq=modseq+1 where id=?", (folder.id,))
        told.change(folder.account, folder.id, folder.modseq + 1)


@dataclass(frozen=True, slots=True)
class Again:
    """Rows made again from their files: everything but UID, flags and file is replaced."""

    folder: int
    rows: tuple[tuple[int, int, int, bytes, bytes], ...]  # uid, date, size, envelope, structure

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        for uid, date, size, envelope, structure in self.rows:
            db.execute("update message set date=?, size=? where folder=? and uid=?", (date, size, self.folder, uid))
            db.execute("insert or replace into rendered select ?,?,?,? where exists"
                       " (select 1 from message where folder=?1 and uid=?2)",
                       (self.folder, uid, envelope, structure))  # fmt: skip
        db.execute(
            "update folder set (messages, unseen, size) = (select count(*), coalesce(sum((flags & 1) = 0), 0),"
            " coalesce(sum(size), 0) from message where folder=?1) where id=?1",
            (self.folder,),
        )


class Scan:
    """`db` belongs to the reading lane; files are listed and parsed in the filer's."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, filer: Filer, files: Files, mail: str,
                 clock: Clock) -> None:  # fmt: skip
        self._writer, self._reader, self._db = writer, reader, db
        self._filer, self._files, self._mail, self._clock = filer, files, mail, clock

    async def account(self, account: str) -> None:
        home = f"{self._mail}/{maildir.home(account)}"
        for name in await self._filer.lane.call(self._folders_on_disk, home):
            await self._adopt(account, name)
        for folder in await self._reader.call(self._folders, account):
            await self._folder(folder)

    def _folders_on_disk(self, home: str) -> list[str]:
        names = [maildir.folder_name(entry) for entry in self._files.listing(home)]
        return ["INBOX", *sorted(name for name in names if name is not None)]

    def _folders(self, account: str) -> list[Folder]:
        rows = self._db.execute(f"select {FOLDER} from folder where account=?", (account,)).fetchall()
        return [folder_of(row) for row in rows]

    def _directory(self, folder: Folder) -> str:
        return f"{self._mail}/{maildir.home(folder.account)}{maildir.folder_dir(folder.name)}"

    async def _adopt(self, account: str, name: str) -> None:
        home = f"{self._mail}/{maildir.home(account)}"
        listed, words = await self._filer.lane.call(self._side_files, home + maildir.folder_dir(name))
        uidvalidity, uidnext, _ = listed or (0, 1, {})
        await self._writer.do(Adopt(account, name, uidvalidity, uidnext, words, int(self._clock.now())))

    def _side_files(self, directory: str) -> tuple[tuple[int, int, dict[str, int]] | None, tuple[str, ...]]:
        listed: tuple[int, int, dict[str, int]] | None = None
        words: tuple[str, ...] = ()
        if self._files.exists(f"{directory}/dovecot-uidlist"):
            listed = maildir.read_uidlist(self._files.read(f"{directory}/dovecot-uidlist"))
        if self._files.exists(f"{directory}/dovecot-keywords"):
            words = maildir.read_keywords(self._files.read(f"{directory}/dovecot-keywords"))
        return listed, words

    async def _folder(self, folder: Folder) -> None:
        directory = self._directory(folder)
        rows = await self._reader.call(self._known, folder.id)
        found = {entry.base: entry for entry in await self._filer.lane.call(self._list, directory)}
        listed, _ = await self._filer.lane.call(self._side_files, directory)
        uids = listed[2] if listed and listed[0] == folder.uidvalidity else {}
        merged = tuple(
            (uid, found[base].name_flags) for base, (uid, last) in rows.items()
            if base in found and last != maildir.NO_FILE and found[base].name_flags != last
        )  # fmt: skip
        if merged:
            await self._writer.do(MergeNames(folder.id, merged))
        gone = [uid for base, (uid, last) in rows.items() if base not in found and last != maildir.NO_FILE]
        if gone:
            await self._expunge_missing(folder, gone, directory)
        unknown = sorted((entry for base, entry in found.items() if base not in rows), key=lambda entry: entry.base)
        for part in _parts(unknown):
            entries = await self._filer.lane.call(self._entries, part, uids)
            await self._writer.do(Enter(folder.id, tuple(entries)))

    async def _expunge_missing(self, folder: Folder, uids: Sequence[int], directory: str) -> None:
        """A second look first: a listing may miss a file that is renamed while it is read."""
        again = {entry.base for entry in await self._filer.lane.call(self._list, directory)}
        rows = await self._reader.call(self._known, folder.id)
        sure = {uid for base, (uid, last) in rows.items() if base not in again and last != maildir.NO_FILE}
        for part in _parts([uid for uid in uids if uid in sure]):
            await self._writer.do(Expunge(folder.id, tuple(part)))

    def _known(self, folder: int) -> dict[str, tuple[int, int]]:
        rows = self._db.execute("select file, uid, name_flags from message where folder=?", (folder,)).fetchall()
        return {file: (uid, name_flags) for file, uid, name_flags in rows}

    def _list(self, directory: str) -> list[Found]:
        new = [Found(name.partition(":")[0], maildir.IN_NEW, f"{directory}/new/{name}")
               for name in self._files.listing(f"{directory}/new") if not name.startswith(".")]  # fmt: skip
        cur = [Found(*maildir.split_name(name), f"{directory}/cur/{name}")
               for name in self._files.listing(f"{directory}/cur") if not name.startswith(".")]  # fmt: skip
        return new + cur

    def _entries(self, found: Sequence[Found], uids: dict[str, int]) -> list[Entry]:
        entries = []
        for entry in found:
            try:
                date, size, envelope, structure = self._read(entry.path)
            except OSError:  # gone again: the next scan will see
                continue
            entries.append(Entry(max(0, entry.name_flags), date, size, entry.name_flags, entry.base, envelope,
                                 structure, uid=uids.get(entry.base, 0)))  # fmt: skip
        return entries

    def _read(self, path: str) -> tuple[int, int, bytes, bytes]:
        size = self._files.size(path) or 0
        envelope, structure = render(self._files.read(path, 0, size))
        return self._files.modified(path), size, envelope, structure

    async def rebuild(self, account: str, progress: Callable[[int, int], None]) -> None:
        """Every row from its file again; UIDs, flags, keywords and UIDVALIDITY stay."""
        await self.account(account)
        folders = await self._reader.call(self._folders, account)
        total, done = sum(folder.messages for folder in folders), 0
        for folder in folders:
            rows = await self._reader.call(self._known, folder.id)
            for part in _parts(sorted(rows.items())):
                again = await self._filer.lane.call(self._again, self._directory(folder), part)
                await self._writer.do(Again(folder.id, tuple(again)))
                done += len(part)
                progress(done, total)

    def _again(
        self, directory: str, part: Sequence[tuple[str, tuple[int, int]]]
    ) -> list[tuple[int, int, int, bytes, bytes]]:
        rows = []
        for base, (uid, name_flags) in part:
            if name_flags == maildir.NO_FILE:
                continue
            try:
                rows.append((uid, *self._read(f"{directory}/{maildir.place(base, name_flags)}")))
            except OSError:
                continue
        return rows


def _parts(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), _CHUNK):
        yield things[start : start + _CHUNK]
