"""All of a backup brought into an empty data folder, while no server runs there.

The database comes last, by a rename; until then a mark in the data folder keeps a server from starting on half of it, and the same
command goes on. Clients may have seen what came after the backup: no UID or mod-sequence that they were told is given to another
message, for each folder goes on a good piece further (GAP), and they are asked to look at all flags again.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from .. import maildir
from ..files import Files
from ..sqlite.filing import UID_LIMIT
from ..sqlite.homes import Homes
from ..sqlite.intents import make_maildir
from ..sqlite.safety import UNFINISHED
from ..sqlite.schema import VERSION
from .layout import DATABASE, MANIFEST, Folder, Head, Trouble, open_plain
from .manifest import Entry, entries
from .objects import copy, digest_of

GAP = 65_536  # UIDs and mod-sequences that a folder leaves out
_EVERY = 100
TOLD = 100
_HOLD = 3  # api.State.HOLD


class Restored(msgspec.Struct, kw_only=True):
    """`wrong`: what could not be brought back, by name, the first ones; `failed`: how many they are."""

    messages: int = 0
    octets: int = 0
    queued: int = 0
    failed: int = 0
    wrong: list[str] = []


class Whole:
    """`owner`: whom the files are given to, None for whoever runs this. `hold`: queued mail waits for the operator's word."""

    def __init__(self, folder: Folder, name: str, data: Path, location: str, owner: tuple[int, int] | None) -> None:
        self._folder, self._name, self._data, self._owner = folder, name, Path(os.path.abspath(data)), owner
        self._files = folder.files
        self._homes = Homes(self._files, f"{self._data}/mail", location)
        self._made: set[str] = set()
        self.done = Restored()

    def run(self, progress: Callable[[int, int], object], *, hold: bool) -> Restored:
        """Trouble, OSError. The data folder is locked meanwhile."""
        head = self._folder.head(self._name)
        if head.store > VERSION:
            raise Trouble(
                f"the backup's store has version {head.store}, this mailhub knows {VERSION}: use a newer mailhub"
            )
        for database, digest in head.databases.items():
            if digest_of(str(self._folder.path / self._name / database))[0] != digest:
                raise Trouble(f"{self._folder.path / self._name / database}: its digest is another")
        self._make(str(self._data))
        try:
            lock = self._files.lock(f"{self._data}/mailhub.lock")
        except BlockingIOError:
            raise Trouble(f"{self._data}: a server runs there: stop it first", "temporary") from None
        try:
            self._own(f"{self._data}/mailhub.lock")
            self._begin()
            for entry in entries(str(self._folder.path / self._name / MANIFEST), head.manifest):
                self._entry(entry, head, progress)
            self._databases(head, hold=hold)
            progress(1, 1)
        finally:
            os.close(lock)
        return self.done

    def _begin(self) -> None:
        mark = f"{self._data}/{UNFINISHED}"
        if self._files.exists(mark):
            begun = self._files.read(mark).decode("utf-8", "replace").strip()
            if begun != self._name:
                raise Trouble(f"{self._data} holds half of {begun}: restore that one, or empty the folder", "exists")
            return
        there = [name for name in ("mail", "spool") if self._files.listing(f"{self._data}/{name}")]
        there += [name for name in (DATABASE,) if self._files.exists(f"{self._data}/{name}")]
        if there:
            raise Trouble(f"{self._data} is not empty: it has {', '.join(there)}; move it away first", "exists")
        self._files.replace_text(mark, f"{self._name}\n".encode())
        self._own(mark)
        self._files.sync_file(mark)
        self._files.sync_file(str(self._data))
        for name in ("mail", "spool"):
            self._make(f"{self._data}/{name}")

    # --- files -----------------------------------------------------------------------------------------------------------

    def _entry(self, entry: Entry, head: Head, progress: Callable[[int, int], object]) -> None:
        target = f"{self._data}/{entry.path()}"
        try:
            self._place(entry, target)
        except OSError as error:
            if error.filename is not None and str(error.filename).startswith(str(self._data)):
                raise  # the disk that it comes to
            self._wrong(entry, error.strerror or str(error))
            return
        if entry.kind == "mail":
            self.done.messages += 1
            self.done.octets += entry.size
            if self.done.messages % _EVERY == 0:
                progress(self.done.messages, head.messages)

    def _wrong(self, entry: Entry, why: str) -> None:
        self.done.failed += 1
        if len(self.done.wrong) < TOLD:
            self.done.wrong.append(f"{entry.kind} {entry.account} {entry.folder} {entry.file}: {why}")

    def _place(self, entry: Entry, target: str) -> None:
        if self._files.size(target) == entry.size and digest_of(target)[0] == entry.digest:
            return  # from an attempt that was broken off
        directory = target.rpartition("/")[0]
        if entry.kind == "mail":
            self._maildir(entry.account, directory.rpartition("/")[0])
        elif entry.kind == "side":
            self._maildir(entry.account, directory)
        else:
            self._make(directory)
        partial = f"{directory.rpartition('/')[0]}/tmp/{entry.file}" if entry.kind == "mail" else f"{target}.part"
        fetch(self._folder, self._files, entry, partial)
        self._own(partial)
        self._files.set_modified(partial, entry.date)
        self._files.rename(partial, target)

    def _maildir(self, account: str, directory: str) -> None:
        if directory in self._made:
            return
        home = self._homes.path(account)
        if home not in self._made:
            self._make(home.rpartition("/")[0])
            self._homes.make(account)
            self._own(home, *(f"{home}/{part}" for part in ("tmp", "new", "cur")))
            self._made.add(home)
        make_maildir(self._files, directory)
        self._own(directory, *(f"{directory}/{part}" for part in ("tmp", "new", "cur")))
        if self._files.exists(f"{directory}/maildirfolder"):
            self._own(f"{directory}/maildirfolder")
        self._made.add(directory)

    def _make(self, path: str) -> None:
        missing = []
        while not self._files.exists(path):
            missing.append(path)
            path = path.rpartition("/")[0]
        for each in reversed(missing):
            self._files.make_dirs(each)
            self._own(each)

    def _own(self, *paths: str) -> None:
        if self._owner is not None:
            for path in paths:
                os.chown(path, *self._owner)

    # --- databases -----------------------------------------------------------------------------------------------------------

    def _databases(self, head: Head, *, hold: bool) -> None:
        for name in sorted(head.databases, key=lambda name: name == DATABASE):
            partial = f"{self._data}/{name}.restoring"
            self._files.unlink(partial)
            source, target = open_plain(self._folder.path / self._name / name), self._files.create(partial)
            try:
                copy(self._files, source, target)
            finally:
                os.close(source)
                os.close(target)
            if name == DATABASE:
                self._bring_forward(partial, hold=hold)
            self._own(partial)
            self._files.sync_file(partial)
            if not self._files.sync_all(str(self._data)):
                os.sync()
            self._files.rename(partial, f"{self._data}/{name}")
        self._files.sync_file(str(self._data))
        self._files.unlink(f"{self._data}/{UNFINISHED}")
        self._files.sync_file(str(self._data))

    def _bring_forward(self, path: str, *, hold: bool) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("begin")
            for account, name in db.execute("select account, name from folder").fetchall():
                self._maildir(account, f"{self._data}/mail/{maildir.home(account)}{maildir.folder_dir(name)}")
            db.execute("delete from expunged")
            db.execute(f"update folder set modseq=modseq+{GAP}, uidnext=min(uidnext+{GAP}, {UID_LIMIT})")
            db.execute("update message set modseq=(select modseq from folder where id=message.folder)")
            db.execute("insert into expunged (folder, modseq, uid) select id, modseq, 0 from folder")
            if db.execute("select 1 from sqlite_master where name = 'browser'").fetchone():  # not in older ones
                db.execute("delete from browser")  # some have signed out since
            if hold:
                db.execute(f"update recipient set state={_HOLD} where state != 4")
            self.done.queued = db.execute("select count(*) from item").fetchone()[0]
            db.execute("commit")


def fetch(folder: Folder, files: Files, entry: Entry, target: str) -> None:
    """An object's octets as a new file; OSError where it is not what the manifest says."""
    source = open_plain(folder.object(entry.digest))
    try:
        files.unlink(target)
        descriptor = files.create(target)
        try:
            copy(files, source, descriptor)
        finally:
            files.close(descriptor)
    finally:
        os.close(source)
    if digest_of(target) != (entry.digest, entry.size):
        files.unlink(target)
        raise OSError(0, "its digest is another", folder.object(entry.digest))
