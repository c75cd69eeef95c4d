"""What a commit has decided about files is done here, and content is forgotten once its file is known to be synced.

A round: do intents (links, renames), write files that are still missing, let names follow flags; then one sync of the
mail file system; then forget. Deletions wait for the sync that covers what came before them: a copy is on disk before
its source goes. All of it can be repeated: after a crash `recover` begins from the rows that are left.
"""

import asyncio
import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import PurePosixPath

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError

from .. import maildir
from ..files import Files
from ..lane import Lane
from .bodies import Spool
from .file_units import Forget, Place, Placed
from .schema import connect
from .sidecars import Sidecars
from .writer import Told, Writer

log = logging.getLogger("mailhub.store")
_DELAYED = ("unlink", "rmtree")
_SLOW_SYNC = 0.25  # seconds; a file system that took longer has others' writes to do: file by file for a minute
_SLOW_FOR = 60.0
_CATCH_UP = 1_000  # rounds, each of some hundred files, that may be waited for
_FLUSH_EVERY = 50  # rounds of steady load after which the side files are brought up to date all the same


class Filer:
    """Owns the lane for file changes. `mail` is DATA/mail; `roots`: it, and where else mail lies, to be synced."""

    def __init__(
        self, database: str, mail: str, spool: Spool, writer: Writer, files: Files, pool: Executor, clock: Clock,
        interval: float, roots: Sequence[str],
    ) -> None:  # fmt: skip
        self._database, self._mail, self._spool = database, mail, spool
        self._writer, self._files, self._pool, self._clock = writer, files, pool, clock
        self._interval, self._roots = interval, roots
        self.lane = Lane("mailhub-files")
        self._db: sqlite3.Connection
        self._seen = 0
        self._performed: list[int] = []
        self._delayed: list[tuple[int, str, str]] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._stopping = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._slow_until = 0.0

    async def start(self) -> None:
        self.lane.start()
        self._db = connect(self._database, readonly=True)
        self._sidecars = Sidecars(self._db, self._files, self._mail)
        await self.recover()
        self._task = asyncio.get_running_loop().create_task(self._rounds())

    def told(self, told: Told) -> None:
        """Called after each commit."""
        for name in told.spools:
            self.lane.call(self._files.unlink, self._spool.path(name))
        if told.changed or told.filed or told.intents:
            self._sidecars.mark(told)
            self._wake.set()

    async def settle(self) -> None:
        """Return when links, renames and new folders that are committed have been made."""
        await self.lane.call(self._perform)

    def mark(self, folder: int) -> None:
        """A folder's uidlist is behind: a crash came before it was written."""
        self._sidecars.stale(folder)
        self._wake.set()

    async def catch_up(self) -> None:
        """Return when all that is committed now has been done to files, names and side files."""
        for _ in range(_CATCH_UP):
            if not await self._round():
                break
        await self.lane.call(self._sidecars.close)

    async def rewrite_lists(self, account: str) -> None:
        """Write the uidlists of an account whole, whatever was known of them."""
        await self.lane.call(self._sidecars.rewrite, account)

    async def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            await self._task
        await self.lane.call(self._sidecars.close)
        await self.lane.stop()
        self._db.close()

    async def recover(self) -> None:
        """Redo what a crash left undone, then sync and forget it all."""
        await self.settle()
        rewritten = await self.lane.call(self._mend_filed)
        if rewritten:
            log.warning("recovery: %d message files were missing or short and were written again", rewritten)
        while await self._round():
            pass

    async def _rounds(self) -> None:
        rounds = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                more = await self._round()
                rounds += 1
                if not more or rounds % _FLUSH_EVERY == 0:
                    await self.lane.call(self._sidecars.flush)
            except (OSError, sqlite3.Error, MailError) as error:
                log.error("mail files: %s; content is kept and the step is tried again", error)
                more = not self._stopping.is_set()  # the next opening goes on from the rows
            if more:
                self._wake.set()
            if self._stopping.is_set():
                if not more:
                    return
                continue
            # real time, in a thread: a virtual clock must not stop the disk's work
            await asyncio.get_running_loop().run_in_executor(self._pool, self._stopping.wait, self._interval)

    async def _round(self) -> bool:
        """One round at a time; True where there is more to do."""
        async with self._turn:
            return await self._do_round()

    async def _do_round(self) -> bool:
        await self.settle()
        places = await self.lane.call(self._write_missing)
        if places:
            await self._writer.do(Placed(places))
        renamed = await self.lane.call(self._rename_dirty)
        filed = await self.lane.call(self._filed)
        performed, self._performed = self._performed, []
        delayed, self._delayed = self._delayed, []
        if not (filed or performed or delayed or renamed):
            return bool(places)
        try:
            await self._sync(filed, {place.folder for place in renamed})
        except BaseException:
            self._performed[:0], self._delayed[:0] = performed, delayed
            raise
        if renamed:  # not before: a name that power loss took back would be taken for what another program did
            await self._writer.do(Placed(renamed))
        await self._writer.do(Forget(filed, performed))
        for number, kind, source in delayed:
            await self.lane.call(self._remove, number, kind, source)
        return True

    # --- in the lane ---------------------------------------------------------------------------------------------

    def _perform(self) -> None:
        rows = self._db.execute("select id, kind, source, target from intent where id > ? order by id", (self._seen,))
        for number, kind, source, target in rows.fetchall():
            self._seen = number
            if kind in _DELAYED:
                self._delayed.append((number, kind, source))
                continue
            try:
                self._change(kind, f"{self._mail}/{source}", f"{self._mail}/{target}")
            except FileNotFoundError:
                log.warning("mail files: %s is gone; nothing to %s", source, kind)
            self._performed.append(number)

    def _change(self, kind: str, source: str, target: str) -> None:
        if kind == "mkdir":
            make_maildir(self._files, source)
            return
        here = source if self._files.exists(source) else find(self._files, source)
        if here is None:
            return
        if kind == "link":
            self._files.link(here, target)
        elif not self._files.exists(target):
            self._files.rename(here, target)
        elif self._files.exists(f"{here}/cur"):  # a folder, where a message was written under its new name
            self._files.merge_tree(here, target)

    def _remove(self, number: int, kind: str, source: str) -> None:
        path = f"{self._mail}/{source}"
        if kind == "rmtree":
            self._files.remove_tree(path)
        else:
            here = path if self._files.exists(path) else find(self._files, path)
            if here is not None:
                self._files.unlink(here)
        self._performed.append(number)
        self._wake_soon()

    def _wake_soon(self) -> None:
        self.lane.loop.call_soon_threadsafe(self._wake.set)

    def _filed(self) -> list[tuple[int, int, int]]:
        with self._abreast():
            found = self._db.execute(
                "select json_group_array(json_array(content, folder, uid)) from"
                " (select content, folder, uid from filed join message using (folder, uid) where name_flags != -2 limit 5000)"
            ).fetchone()[0]
        return [(content, folder, uid) for content, folder, uid in json.loads(found)]

    @contextlib.contextmanager
    def _abreast(self) -> Iterator[None]:
        """Rows as they are at one moment, with files and folders where those rows have them."""
        self._db.execute("begin")
        try:
            self._perform()
            yield
        finally:
            self._db.execute("commit")

    def _write_missing(self) -> list[Place]:
        with self._abreast():
            return self._write_some()

    def _write_some(self) -> list[Place]:
        rows = self._db.execute(
            "select content, folder, uid, head, flags, date, file from filed join message using (folder, uid)"
            " where name_flags = -2 limit 200"
        ).fetchall()
        places = []
        for content, folder, uid, head, flags, date, file in rows:
            name_flags = flags & maildir.VISIBLE
            directory = self._directory(folder)
            if directory is not None:
                self._write(f"{directory}/{maildir.place(file, name_flags)}", head, content, date)
                places.append(Place(folder, uid, file, name_flags))
        return places

    def _directory(self, folder: int) -> str | None:
        row = self._db.execute("select account, name from folder where id=?", (folder,)).fetchone()
        return None if row is None else f"{self._mail}/{maildir.home(row[0])}{maildir.folder_dir(row[1])}"

    def _write(self, target: str, head: bytes, content: int, date: int) -> None:
        row = self._db.execute("select prefix, body, spool, tail from content where id=?", (content,)).fetchone()
        if row is None:
            return
        prefix, body, spool, tail = row
        directory = str(PurePosixPath(target).parent.parent)
        make_maildir(self._files, directory)
        partial = f"{directory}/tmp/{PurePosixPath(target).name}"
        source = None if spool is None else self._spool.path(spool)
        self._files.write_whole(partial, head + prefix, body, source, tail)
        self._files.rename(partial, target)
        self._files.set_modified(target, date)  # INTERNALDATE, for Dovecot and for who makes an index of the files

    def _rename_dirty(self) -> list[Place]:
        with self._abreast():
            return self._rename_some()

    def _rename_some(self) -> list[Place]:
        rows = self._db.execute(
            "select folder, uid, name_flags, flags, file from message where dirty = 1 limit 500"
        ).fetchall()
        places = []
        for folder, uid, name_flags, flags, file in rows:
            directory = self._directory(folder)
            if directory is None:
                continue
            wanted = flags & maildir.VISIBLE
            source: str | None = f"{directory}/{maildir.place(file, name_flags)}"
            if source is not None and not self._files.exists(source):
                source = find(self._files, source)
            if source is not None:
                self._files.rename(source, f"{directory}/{maildir.place(file, wanted)}")
            places.append(Place(folder, uid, file, wanted))
        return places

    def _mend_filed(self) -> int:
        """After a crash: write again what an unsynced file system lost or left short."""
        mended = 0
        rows = self._db.execute(
            "select content, folder, head, name_flags, size, date, file from filed join message using (folder, uid)"
            " where name_flags != -2"
        ).fetchall()
        for content, folder, head, name_flags, size, date, file in rows:
            directory = self._directory(folder)
            if directory is None:
                continue
            expected = f"{directory}/{maildir.place(file, name_flags)}"
            path = expected if self._files.exists(expected) else find(self._files, expected)
            if path is None or self._files.size(path) != size:
                self._write(path or expected, head, content, date)
                mended += 1
        return mended

    # --- the sync ------------------------------------------------------------------------------------------------

    async def _sync(self, filed: Sequence[tuple[int, int, int]], renamed: Collection[int]) -> None:
        loop = asyncio.get_running_loop()
        if self._clock.monotonic() >= self._slow_until:
            before = self._clock.monotonic()
            if all([await loop.run_in_executor(self._pool, self._files.sync_all, root) for root in self._roots]):
                if self._clock.monotonic() - before > _SLOW_SYNC:
                    self._slow_until = self._clock.monotonic() + _SLOW_FOR
                return
        paths = await self.lane.call(self._paths, filed, renamed)
        await asyncio.gather(*(loop.run_in_executor(self._pool, self._files.sync_file, path) for path in paths))

    def _paths(self, filed: Sequence[tuple[int, int, int]], renamed: Collection[int]) -> list[str]:
        """The files of `filed` and the folders they, what was renamed, and what intents touched, lie in."""
        files: list[str] = []
        there = filter(None, map(self._directory, renamed))
        folders = {f"{directory}/{name}" for directory in there for name in ("new", "cur")}
        for _, folder, uid in filed:
            row = self._db.execute(
                "select name_flags, file from message where folder=? and uid=?", (folder, uid)
            ).fetchone()
            directory = self._directory(folder)
            if row is None or directory is None:
                continue
            expected = f"{directory}/{maildir.place(row[1], row[0])}"
            path = expected if self._files.exists(expected) else find(self._files, expected)
            if path is not None:
                files.append(path)
            folders.update((f"{directory}/new", f"{directory}/cur"))
        for source, target in self._db.execute("select source, target from intent").fetchall():
            for path in (source, target):
                if path:
                    folders.add(f"{self._mail}/{PurePosixPath(path).parent}")
        return [*files, *sorted(folders)]


def make_maildir(files: Files, directory: str) -> None:
    """The three folders of a Maildir and, for one that is not an inbox, the mark that Maildir++ puts in it."""
    if files.exists(f"{directory}/cur"):
        return
    for name in ("tmp", "new", "cur"):
        files.make_dirs(f"{directory}/{name}")
    if PurePosixPath(directory).name.startswith("."):
        files.replace_text(f"{directory}/maildirfolder", b"")


def find(files: Files, path: str) -> str | None:
    """Where a message file is now that is not at `path`: another program, or a crash, has moved it or its flags."""
    directory = str(PurePosixPath(path).parent.parent)
    base = PurePosixPath(path).name.partition(":")[0]
    if files.exists(f"{directory}/new/{base}"):
        return f"{directory}/new/{base}"
    for name in files.listing(f"{directory}/cur"):
        if name.partition(":")[0] == base:
            return f"{directory}/cur/{name}"
    return None
