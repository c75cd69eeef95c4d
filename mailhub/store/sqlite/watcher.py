"""Folders that somebody looks at are watched: what another program does to their files (mutt, rsync, cp) is taken in at once.

The kernel tells (inotify), for a bounded number of folders, those selected last; where it can not, new/ and cur/ are looked at every
so often. What we do to files ourselves is known and passed over, and a file that is still being written is waited for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from msgspec import Struct, field

from mailhub.model.clock import Clock, Timer
from mailhub.model.errors import MailError

from ..files import Files
from ..inotify import CLOSE_WRITE, CREATE, IGNORED, OVERFLOW, Event, Inotify

log = logging.getLogger("mailhub.store")
_SETTLE = 0.1  # seconds after a change in which more may come
_BUSY = 1_000  # files under way in one folder that are known


class Watched(Struct):
    """A folder: its directory, the kernel's watches (none: it is looked at), files that are still being written."""

    directory: str
    watches: list[int] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    times: tuple[int, ...] = ()
    timer: Timer | None = None
    scanning: bool = False
    again: bool = False


class Watcher:
    """`scan(folder, busy)` takes in what changed in one. All on the loop; `limit` folders, looked at each `interval` seconds where
    need be."""

    def __init__(
        self, files: Files, clock: Clock, scan: Callable[[int, Collection[str]], Awaitable[None]], limit: int,
        interval: float,
    ) -> None:  # fmt: skip
        self._files, self._clock, self._scan, self._limit, self._interval = files, clock, scan, limit, interval
        self._folders: dict[int, Watched] = {}  # the one selected last comes last
        self._owners: dict[int, tuple[int, str]] = {}  # watch: folder, path watched
        self._tasks: set[asyncio.Task[None]] = set()
        self._inotify: Inotify | None = None
        self._poll: Timer | None = None

    def start(self) -> None:
        try:
            self._inotify = Inotify()
            asyncio.get_running_loop().add_reader(self._inotify.descriptor, self._read)
        except (OSError, NotImplementedError) as error:
            log.info("mail files are looked at every %g seconds: %s", self._interval, error)

    async def stop(self) -> None:
        for folder in list(self._folders):
            self._drop(folder)
        if self._poll is not None:
            self._poll.cancel()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.descriptor)
            self._inotify.close()
            self._inotify = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def touch(self, folder: int, directory: str) -> None:
        """Somebody looks at that folder now. One that nobody looked at for long is scanned first: nobody told of it."""
        watched = self._folders.pop(folder, None)
        if watched is not None and watched.directory == directory:
            self._folders[folder] = watched
            return
        if watched is not None:
            self._folders[folder] = watched
            self._drop(folder)
        while len(self._folders) >= self._limit:
            self._drop(next(iter(self._folders)))
        watched = self._folders[folder] = Watched(directory)
        self._watch(folder, watched)
        if not watched.watches and self._poll is None:
            self._poll = self._clock.call_later(self._interval, self._look)
        self._soon(folder, watched)

    def _watch(self, folder: int, watched: Watched) -> None:
        if self._inotify is None:
            return
        try:
            for name in ("new", "cur"):
                path = f"{watched.directory}/{name}"
                watch = self._inotify.add(path)
                watched.watches.append(watch)
                self._owners[watch] = (folder, path)
                self._files.watched.add(path)
        except OSError as error:
            log.warning("%s is looked at every %g seconds: %s", watched.directory, self._interval, error)
            self._unwatch(watched)

    def _unwatch(self, watched: Watched) -> None:
        for watch in watched.watches:
            if self._inotify is not None:
                self._inotify.remove(watch)
            _, path = self._owners.pop(watch, (0, ""))
            self._files.watched.discard(path)
        watched.watches.clear()

    def _drop(self, folder: int) -> None:
        watched = self._folders.pop(folder)
        self._unwatch(watched)
        if watched.timer is not None:
            watched.timer.cancel()

    # --- what the kernel tells -------------------------------------------------------------------------------------

    def _read(self) -> None:
        if self._inotify is not None:
            for event in self._inotify.read():
                self._happened(event)

    def _happened(self, event: Event) -> None:
        if event.mask & OVERFLOW:
            for number, each in list(self._folders.items()):
                self._soon(number, each)
            return
        folder, path = self._owners.get(event.watch, (0, ""))
        watched = self._folders.get(folder)
        if watched is None:
            return
        if event.mask & IGNORED:  # the folder is gone; whoever selects one of that name watches anew
            self._drop(folder)
            return
        if event.name.startswith(".") or self._files.was_ours(f"{path}/{event.name}"):
            return
        if event.mask & CREATE and self._files.links(f"{path}/{event.name}") == 1 and len(watched.busy) < _BUSY:
            watched.busy.add(event.name)  # its writer has it open; a link has not
            return
        if event.mask & CLOSE_WRITE or event.name in watched.busy:
            watched.busy.discard(event.name)
        self._soon(folder, watched)

    # --- what is looked at -----------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._poll = None
        for folder, watched in list(self._folders.items()):
            if watched.watches:
                continue
            times = self._files.times([f"{watched.directory}/new", f"{watched.directory}/cur"])
            if times != watched.times:
                watched.times = times
                self._soon(folder, watched)
        if any(not watched.watches for watched in self._folders.values()):
            self._poll = self._clock.call_later(self._interval, self._look)

    # --- taking in ---------------------------------------------------------------------------------------------------

    def _soon(self, folder: int, watched: Watched) -> None:
        if watched.timer is None:
            watched.timer = self._clock.call_later(_SETTLE, lambda: self._begin(folder, watched))

    def _begin(self, folder: int, watched: Watched) -> None:
        watched.timer = None
        if self._folders.get(folder) is not watched:
            return
        if watched.scanning:
            watched.again = True
            return
        watched.scanning = True
        task = asyncio.get_running_loop().create_task(self._take_in(folder, watched))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_in(self, folder: int, watched: Watched) -> None:
        try:
            await self._scan(folder, frozenset(watched.busy))
        except (MailError, OSError) as error:
            log.warning("%s: %s", watched.directory, error)
        finally:
            watched.scanning = False
        if watched.again:
            watched.again = False
            self._soon(folder, watched)
