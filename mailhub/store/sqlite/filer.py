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
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import PurePosixPath

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary

from .. import maildir
from ..bodies import Spool, room_of
from ..files import Files
from ..lane import DiskLane
from .credentials import Statement
from .file_units import Forget, Place, Placed
from .intents import Intents, find, make_maildir
from .schema import connect
from .sidecars import Sidecars
from .writer import Told, Writer

log = logging.getLogger("mailhub.store")
_SLOW_SYNC = 0.25  # seconds; a file system that took longer has others' writes to do: file by file for a minute
_SLOW_FOR = 60.0
_CATCH_UP = 1_000  # rounds, each of some hundred files, that may be waited for
_AGAIN = 1.0  # seconds until what failed is tried again
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
        self.lane = DiskLane("mailhub-files")
        self._db: sqlite3.Connection
        self._intents: Intents
        self._unwritten: dict[str, str] = {}  # where files can not be changed: why
        self._failed = ""  # why the last round did
        self._told: dict[str, str] = {}  # the same of the round before
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._stopping = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._slow_until = 0.0

    async def start(self) -> None:
        self.lane.start()
        self._db = connect(self._database, readonly=True)
        self._sidecars = Sidecars(self._db, self._files, self._mail)
        self._intents = Intents(self._db, self._files, self._mail)
        await self.recover()
        self._task = asyncio.get_running_loop().create_task(self._rounds())

    def told(self, told: Told) -> None:
        """Called after each commit."""
        for name in told.spools:
            self._spool.recent.forget(name)
            self.lane.call(self._files.unlink, self._spool.path(name))
        if told.changed or told.filed or told.intents:
            self._sidecars.mark(told)
            self._wake.set()

    async def settle(self) -> None:
        """Return when links, renames and new folders that are committed have been made."""
        await self.lane.call(self._intents.perform)

    def wake(self) -> None:
        """Something could not be written: try again, now and then, until it can."""
        self._wake.set()

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
                if self._writer.trouble:
                    await self._writer.do(Statement("insert or replace into meta values (?, ?)", ("probed", "")))
                if self._spool.trouble:
                    await self.lane.call(self._spool.probe)
                more = await self._round()
                rounds += 1
                if not more or rounds % _FLUSH_EVERY == 0:
                    await self.lane.call(self._sidecars.flush)
                self._failing("")
            except (OSError, sqlite3.Error, MailError) as error:
                self._failing(str(error))
                more = not self._stopping.is_set()  # the next opening goes on from the rows
            if more or (self.trouble and not self._stopping.is_set()):
                self._wake.set()
            if self._stopping.is_set():
                if not more:
                    return
                continue
            # real time, in a thread: a virtual clock must not stop the disk's work
            pause = max(self._interval, _AGAIN) if self.trouble else self._interval
            await asyncio.get_running_loop().run_in_executor(self._pool, self._stopping.wait, pause)

    def _failing(self, why: str) -> None:
        """Said once for as long as it lasts."""
        if why and not self._failed:
            log.error("mail files: %s; content is kept and the step is tried again", why)
        elif self._failed and not why:
            log.warning("mail files: steps are done again")
        self._failed = why

    async def _round(self) -> bool:
        """One round at a time; True where there is more to do."""
        async with self._turn:
            return await self._do_round()

    async def _do_round(self) -> bool:
        await self.settle()
        self._told, self._unwritten = self._unwritten, {}
        places = await self._all_but_bad(self._write_some)
        if places:
            await self._writer.do(Placed(places))
        renamed = await self._all_but_bad(self._rename_some)
        filed = await self.lane.call(self._filed)
        performed, self._intents.performed = self._intents.performed, []
        delayed, self._intents.delayed = self._intents.delayed, []
        if not (filed or performed or delayed or renamed):
            return bool(places)
        try:
            await self._sync(filed, {place.folder for place in renamed})
            if renamed:  # not before: a name that power loss took back would be taken for what another program did
                await self._writer.do(Placed(renamed))
            await self._writer.do(Forget(filed, performed))
        except BaseException:
            self._intents.performed[:0], self._intents.delayed[:0] = performed, delayed
            raise
        removed = [await self._removed(number, kind, source) for number, kind, source in delayed]
        return bool(places or renamed or filed or performed or any(removed))

    async def _all_but_bad(self, some: Callable[[Collection[int]], tuple[list[Place], set[int]]]) -> list[Place]:
        """What is to be done next in folders whose files can be changed; the others are tried again in the next round."""
        bad: set[int] = set()
        while True:
            places, failed = await self.lane.call(self._at_one_moment, some, frozenset(bad))
            if places or not failed:
                return places
            bad |= failed

    async def _removed(self, number: int, kind: str, source: str) -> bool:
        try:
            await self.lane.call(self._intents.remove, kind, source)
        except Temporary as error:
            self._bad(source, error)
            self._intents.delayed.append((number, kind, source))
            return False
        self._intents.performed.append(number)
        self._wake.set()
        return True

    def _bad(self, place: str, error: Exception) -> None:
        why = str(getattr(error.__cause__ or error, "strerror", error))
        self._unwritten[place] = why
        if self._told.get(place) != why:
            log.error("mail files: %s: %s; it is tried again", place, error)

    @property
    def trouble(self) -> str:
        """Which mail files can not be changed as they should, "" where all is done."""
        return (
            self._failed
            or self._intents.trouble
            or next((f"{place}: {why}" for place, why in list(self._unwritten.items())), "")
        )

    def behind(self, account: str) -> str:
        """Why files of the account may not yet be where the index has them; "": they are."""
        return self._intents.behind(account)

    # --- in the lane ---------------------------------------------------------------------------------------------

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
            self._intents.perform()
            yield
        finally:
            self._db.execute("commit")

    def _at_one_moment(
        self, some: Callable[[Collection[int]], tuple[list[Place], set[int]]], bad: Collection[int]
    ) -> tuple[list[Place], set[int]]:
        with self._abreast():
            return some(bad)

    def _write_some(self, bad: Collection[int]) -> tuple[list[Place], set[int]]:
        """Those that are written now, and folders besides the `bad` ones in which that can not be."""
        rows = self._db.execute(
            "select content, folder, uid, head, flags, date, file from filed join message using (folder, uid)"
            " where name_flags = -2 and folder not in (select value from json_each(?)) limit 200",
            (json.dumps(sorted(bad)),),
        ).fetchall()
        places, failed = [], set[int]()
        for content, folder, uid, head, flags, date, file in rows:
            name_flags = flags & maildir.VISIBLE
            directory = self._directory(folder)
            if directory is None or folder in failed:
                continue
            try:
                self._write(f"{directory}/{maildir.place(file, name_flags)}", head, content, date)
            except OSError as error:
                self._bad(directory, error)
                failed.add(folder)
            else:
                places.append(Place(folder, uid, file, name_flags))
        return places, failed

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
        self._spool.become(partial, head + prefix, body, spool, tail)
        self._files.rename(partial, target)
        self._files.set_modified(target, date)  # INTERNALDATE, for Dovecot and for who makes an index of the files

    def _rename_some(self, bad: Collection[int]) -> tuple[list[Place], set[int]]:
        """As `_write_some`."""
        rows = self._db.execute(
            "select folder, uid, name_flags, flags, file from message"
            " where dirty = 1 and folder not in (select value from json_each(?)) limit 500",
            (json.dumps(sorted(bad)),),
        ).fetchall()
        places, failed = [], set[int]()
        for folder, uid, name_flags, flags, file in rows:
            directory = self._directory(folder)
            if directory is None or folder in failed:
                continue
            wanted = flags & maildir.VISIBLE
            try:
                self._rename(directory, file, name_flags, wanted)
            except OSError as error:
                self._bad(directory, error)
                failed.add(folder)
            else:
                places.append(Place(folder, uid, file, wanted))
        return places, failed

    def _rename(self, directory: str, file: str, before: int, wanted: int) -> None:
        expected = f"{directory}/{maildir.place(file, before)}"
        source = expected if self._files.exists(expected) else find(self._files, expected)
        if source is not None:
            self._files.rename(source, f"{directory}/{maildir.place(file, wanted)}")

    def _mend_filed(self) -> int:
        """After a crash: write again what an unsynced file system lost or left short."""
        mended = 0
        rows = self._db.execute(
            "select filed.content, folder, head, prefix, spool, name_flags, message.size, date, file from filed"
            " join message using (folder, uid) join content on content.id = filed.content where name_flags != -2"
        ).fetchall()
        for content, folder, head, prefix, spool, name_flags, size, date, file in rows:
            directory = self._directory(folder)
            if directory is None:
                continue
            expected = f"{directory}/{maildir.place(file, name_flags)}"
            path = expected if self._files.exists(expected) else find(self._files, expected)
            if path is None or self._files.size(path) != size or self._blank(path, head + prefix, spool):
                self._write(path or expected, head, content, date)
                mended += 1
        return mended

    def _blank(self, path: str, fields: bytes, spool: str | None) -> bool:
        """Whether a file that was the spool's has lost what was put in its room."""
        room = 0 if spool is None else room_of(spool)
        return room > 0 and room == len(fields) and self._files.read(path, 0, room) != fields

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
