"""The database of a backup: a copy of one moment, made to agree with the files that came along.

The files were looked at before that moment. What the cut names beside them came, or moved, in between; it is fetched now. What is
nowhere any more was deleted by its owner, or left the queue, after the backup began, and leaves the cut too.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from .. import maildir
from ..files import Files
from ..sqlite.adopting import is_queued, recount
from ..sqlite.intents import find
from ..sqlite.schema import VERSION
from .layout import Trouble
from .manifest import Entry
from .objects import Objects
from .work import Work

_PAGE = 500
_HAS_CONTENT = (
    "exists (select 1 from filed x join content c on c.id = x.content where x.folder=m.folder and x.uid=m.uid)"
)


def copy_database(source: str, target: str) -> None:
    """One read of the whole: the server goes on writing, its log of changes grows meanwhile."""
    there = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    try:
        there.execute("pragma busy_timeout=30000")
        here = sqlite3.connect(target)
        try:
            there.backup(here)
            here.execute("pragma journal_mode=delete")
        finally:
            here.close()
    finally:
        there.close()


class Cut:
    """`database`: the copy; `data`: the data folder. The copy is changed, nothing else is."""

    def __init__(self, database: str, data: str, work: Work, objects: Objects, files: Files) -> None:
        self._data, self._work, self._objects, self._files = data, work, objects, files
        self._db = sqlite3.connect(database, isolation_level=None)
        self._db.execute("pragma journal_mode=memory")
        self._db.execute("pragma synchronous=off")  # the file is synced when it is done
        found = self._db.execute("pragma user_version").fetchone()[0]
        if found != VERSION:
            raise Trouble(f"the store has version {found}, this mailhub {VERSION}: back up with the mailhub that runs")

    def agree(self) -> int:
        """Fetch what is missing; how many messages left the cut."""
        self._work.join(self._db)
        self._db.execute("begin")
        self._spools()
        gone = self._fetch_missing()
        self._db.execute(
            "update seen set uid=m.uid, name_flags=m.name_flags from message m join folder f on f.id=m.folder"
            f" where seen.account=f.account and seen.folder=f.name and seen.file=m.file and m.name_flags!={maildir.NO_FILE}"
        )
        self._db.execute(
            "delete from seen where (account, folder, file) in (select f.account, f.name, m.file from message m"
            f" join folder f on f.id=m.folder where m.name_flags={maildir.NO_FILE})"
        )
        self._strangers()
        self._drop(gone)
        self._db.execute("delete from intent")
        self._db.execute("delete from meta where key='in_step'")
        self._db.execute("commit")
        return len(gone)

    # --- the queue's large bodies ------------------------------------------------------------------------------------

    def _spools(self) -> None:
        names = self._db.execute("select distinct spool from content where spool is not null").fetchall()
        for (name,) in names:
            if self._work.has_spool(name):
                continue
            try:
                self._work.saw_other("spool", "", "", name, self._objects.put(f"{self._data}/spool/{name}"))
            except FileNotFoundError:
                self._left(name)

    def _left(self, spool: str) -> None:
        """Its message came after the backup began, and left the queue before its body was copied."""
        contents = "(select id from content where spool=?)"
        for table in ("recipient where item in (select id from item where content in", "item where (content in"):
            self._db.execute(f"delete from {table} {contents})", (spool,))
        self._db.execute(f"delete from filed where content in {contents}", (spool,))
        self._db.execute("delete from content where spool=?", (spool,))

    # --- mail ----------------------------------------------------------------------------------------------------------

    def _fetch_missing(self) -> list[tuple[int, int]]:
        """Folder and UID of what could not be fetched."""
        gone: list[tuple[int, int]] = []
        last = (0, 0)
        while rows := self._db.execute(
            "select m.folder, m.uid, f.account, f.name, m.file, m.name_flags from message m join folder f on f.id=m.folder"
            " left join seen s on s.account=f.account and s.folder=f.name and s.file=m.file"
            f" where (m.folder, m.uid) > (?, ?) and s.digest is null and not {_HAS_CONTENT}"
            " order by m.folder, m.uid limit ?",
            (*last, _PAGE),
        ).fetchall():
            for folder, uid, account, name, file, name_flags in rows:
                found = self._fetch(account, name, file, name_flags)
                if found is None:
                    gone.append((folder, uid))
                elif name_flags == maildir.NO_FILE:
                    self._db.execute("update message set name_flags=? where folder=? and uid=?", (found, folder, uid))
            last = rows[-1][:2]
        return gone

    def _fetch(self, account: str, name: str, file: str, name_flags: int) -> int | None:
        """The flags in its name."""
        directory = f"{self._data}/mail/{maildir.home(account)}{maildir.folder_dir(name)}"
        expected = f"{directory}/{maildir.place(file, max(maildir.IN_NEW, name_flags))}"
        for _ in range(2):  # between a listing and the opening it may get another name
            path = expected if self._files.exists(expected) else find(self._files, expected)
            if path is None:
                break
            try:
                found = self._objects.put(path)
            except FileNotFoundError:
                continue
            part, _, there = path.rpartition("/")
            flags = maildir.IN_NEW if part.endswith("/new") else maildir.split_name(there)[1]
            self._work.saw(account, name, file, flags, found)
            return flags
        alike = self._work.alike(account, file)
        if alike is None:
            return None
        self._work.saw(account, name, file, name_flags, alike)
        return max(maildir.IN_NEW, name_flags)

    def _strangers(self) -> None:
        """Files that no row names: new ones that the index will find come along, what is being deleted, moved or delivered does not."""
        changing = {name.rpartition("/")[2].partition(":")[0]
                    for (name,) in self._db.execute("select source from intent").fetchall()}  # fmt: skip
        last = ("", "", "")
        while rows := self._db.execute(
            "select account, folder, file, name_flags from seen where uid=0 and (account, folder, file) > (?,?,?)"
            " order by account, folder, file limit ?",
            (*last, _PAGE),
        ).fetchall():
            for account, name, file, name_flags in rows:
                path = f"{self._data}/mail/{maildir.home(account)}{maildir.folder_dir(name)}/{maildir.place(file, name_flags)}"
                there = self._files.exists(path) or find(self._files, path) is not None
                if file in changing or is_queued(self._db, file) or not there:
                    self._db.execute("delete from seen where account=? and folder=? and file=?", (account, name, file))
            last = rows[-1][:3]

    def _drop(self, gone: Sequence[tuple[int, int]]) -> None:
        for start in range(0, len(gone), _PAGE):
            part = json.dumps(gone[start : start + _PAGE])
            for table in ("message", "rendered", "glimpse", "filed"):
                self._db.execute(
                    f"delete from {table} where (folder, uid) in"
                    " (select value ->> 0, value ->> 1 from json_each(?))", (part,),
                )  # fmt: skip
        for folder in {folder for folder, _ in gone}:
            recount(self._db, folder)

    # --- what is in it --------------------------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """All files of the backup."""
        for account, folder, file, uid, flags, size, date, digest in self._db.execute(
            "select account, folder, file, uid, name_flags, size, date, digest from seen order by account, folder, file"
        ):
            yield Entry(kind="mail", account=account, folder=folder, file=file, uid=uid, name_flags=flags, size=size,
                        date=date, digest=digest)  # fmt: skip
        for kind, account, folder, file, size, date, digest in self._db.execute(
            "select kind, account, folder, file, size, date, digest from other where kind != 'spool' or exists"
            " (select 1 from content where spool=file) order by kind, account, folder, file"
        ):
            yield Entry(kind=kind, account=account, folder=folder, file=file, size=size, date=date, digest=digest)

    def counts(self) -> tuple[int, int, int]:
        """Messages in mailboxes, their octets, messages in the queue."""
        messages, octets = self._db.execute("select count(*), coalesce(sum(size), 0) from seen").fetchone()
        return messages, octets, self._db.execute("select count(*) from item").fetchone()[0]

    def close(self) -> None:
        self._db.close()
