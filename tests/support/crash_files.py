"""A file layer that forgets what was not synced, and that crashes at a chosen moment: a write, a sync, a rename, a commit.

Names follow a journal, as on ext4: of the changes since the last sync a beginning survives, and whatever a folder's sync has
covered. A file whose data was not synced keeps a beginning of it; what was written over keeps any part of that. Folders survive. The database is beside it: it loses no commit.
"""

import asyncio
import contextlib
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest import mock

from mailhub.store.files import Files
from mailhub.store.lane import Job
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.writer import Told, Writer

Change = tuple[str, str, str, int]  # kind, path, second path, inode


class Crashed(OSError):
    """The machine is off."""


class CrashFiles(Files):
    """Real files below `root`, with `pins` beside it: a name for each inode, so that none is given twice."""

    def __init__(self, root: Path, pins: Path) -> None:
        super().__init__()
        self.points = 0
        self.kinds: Counter[str] = Counter()  # of the moments
        self.crash_at: int | None = None
        self.dead = False
        self._root, self._pins = str(root), str(pins)
        os.makedirs(pins)
        self._guard = threading.RLock()
        self._there: dict[str, int] = {}  # durable
        self._data: dict[int, bytes] = {}  # durable, by inode
        self._unmoved: list[Change] = []  # folders whose new names did not survive
        self._journal: list[tuple[Change, bool]] = []  # and whether it is sure to survive

    def adopt(self) -> None:
        """What is there now is durable: the machine was just switched on."""
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = f"{folder}/{name}"
                if not name.startswith("mailhub."):
                    self._there[path] = self._pin(path)
                    self._data[self._there[path]] = Path(path).read_bytes()

    def point(self, kind: str) -> None:
        """A moment at which the machine may stop; once it has, every moment is."""
        with self._guard:
            self.points += 1
            self.kinds[kind] += 1
            if self.dead or self.points == self.crash_at:
                self.dead = True
                raise Crashed("the machine is off")

    def _pin(self, path: str) -> int:
        inode = os.stat(path).st_ino
        pin = f"{self._pins}/{inode}"
        if not os.path.exists(pin):
            os.link(path, pin)
        return inode

    def _change(self, kind: str, path: str, other: str = "", inode: int = 0) -> None:
        self._journal.append(((kind, path, other, inode), False))

    # --- what changes files ----------------------------------------------------------------------------------------

    def create(self, path: str) -> int:
        self.point("create")
        with self._guard:
            descriptor = super().create(path)
            self._change("create", path, inode=self._pin(path))
        return descriptor

    def append(self, descriptor: int, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            try:
                self.point("write")
            except Crashed:
                super().append(descriptor, (block[: len(block) // 2],))
                raise
            super().append(descriptor, (block,))

    def rename(self, source: str, target: str) -> None:
        self.point("rename")
        with self._guard:
            kind = "move" if os.path.isdir(source) else "rename"
            inode = os.stat(source).st_ino
            super().rename(source, target)
            self._change(kind, source, target, inode)

    def link(self, source: str, target: str) -> None:
        self.point("link")
        with self._guard:
            super().link(source, target)
            self._change("create", target, inode=self._pin(target))

    def name_also(self, source: str, target: str) -> bool:
        self.point("link")
        with self._guard:
            done = super().name_also(source, target)
            if done:
                self._change("create", target, inode=self._pin(target))
        return done

    def links(self, path: str) -> int:
        """Without the pin."""
        with contextlib.suppress(OSError):
            state = os.stat(path, follow_symlinks=False)
            return state.st_nlink - os.path.exists(f"{self._pins}/{state.st_ino}")
        return 0

    def unlink(self, path: str) -> None:
        self.point("unlink")
        with self._guard:
            super().unlink(path)
            self._change("unlink", path)

    def remove_tree(self, path: str) -> None:
        self.point("unlink")
        with self._guard:
            super().remove_tree(path)
            self._change("tree", path)

    # --- what makes them durable -----------------------------------------------------------------------------------

    def sync(self, descriptor: int) -> None:
        self.point("sync")
        super().sync(descriptor)
        self._keep(os.fstat(descriptor).st_ino)

    def _keep(self, inode: int) -> None:
        self._data[inode] = Path(f"{self._pins}/{inode}").read_bytes()

    def sync_file(self, path: str) -> None:
        self.point("sync")
        with self._guard:
            if os.path.isfile(path):
                self._keep(os.stat(path).st_ino)
            self._journal = [
                (change, sure or path in (os.path.dirname(change[1]), os.path.dirname(change[2])))
                for change, sure in self._journal
            ]

    def sync_all(self, path: str) -> bool:
        self.point("sync")
        with self._guard:
            for change, _ in self._journal:
                self._replay(change)
            self._journal.clear()
            for inode in self._there.values():
                self._keep(inode)
        return True

    def settled(self) -> None:
        """What is there now is durable, by whomever it was put there, without a moment in which the machine could stop."""
        with self._guard:
            self._journal.clear()
            self._there.clear()
            self.adopt()

    # --- the crash -------------------------------------------------------------------------------------------------

    def _replay(self, change: Change) -> None:
        kind, path, other, inode = change
        if kind == "create":
            self._there[path] = inode
        elif kind == "rename":  # a synced folder has the name, also where the one before was never on disk
            self._there.pop(path, None)
            self._there[other] = inode
        elif kind == "move":  # a folder, with what is in it
            self._there = {_moved(name, path, other): at for name, at in self._there.items()}
        elif kind == "unlink":
            self._there.pop(path, None)
        elif kind == "tree":
            self._there = {name: at for name, at in self._there.items() if not name.startswith(path + "/")}

    def survivors(self, chance: random.Random) -> dict[str, tuple[int, bytes]]:
        """What the disk holds when the machine is switched on again: inode and data of each name."""
        most = chance.choice((0, len(self._journal), chance.randint(0, len(self._journal))))
        last = max((number for number, (_, sure) in enumerate(self._journal) if sure), default=-1)
        for number, (change, sure) in enumerate(self._journal):
            if sure or number < most or (change[0] == "move" and number < last):
                self._replay(change)
            elif change[0] == "move":
                self._unmoved.append(change)
        data = {inode: self._kept(chance, inode) for inode in dict.fromkeys(self._there.values())}
        return {path: (inode, data[inode]) for path, inode in self._there.items()}

    def _kept(self, chance: random.Random, inode: int) -> bytes:
        data, synced = Path(f"{self._pins}/{inode}").read_bytes(), self._data.get(inode, b"")
        sure = len(synced) if data.startswith(synced) else 0
        end = chance.choice((sure, len(data), chance.randint(sure, len(data))))
        return data[:end] + synced[end:]

    def next_life(self, chance: random.Random, target: Path) -> None:
        """Put what survived, and the database, in the folder `target`; this life's files go."""
        before = Path(self._root)
        names: dict[int, Path] = {}
        for path, (inode, data) in self.survivors(chance).items():
            file = target / Path(path).relative_to(before)
            file.parent.mkdir(parents=True, exist_ok=True)
            if inode in names:
                file.hardlink_to(names[inode])
            else:
                names[inode] = file
                file.write_bytes(data)
        for folder, folders, _ in os.walk(before):
            for name in folders:
                path = f"{folder}/{name}"
                for _, old, new, _ in reversed(self._unmoved):
                    path = _moved(path, new, old)
                (target / Path(path).relative_to(before)).mkdir(parents=True, exist_ok=True)
        for file in before.glob("mailhub.db*"):
            shutil.copy(file, target)
        shutil.rmtree(before)
        shutil.rmtree(self._pins)


def _moved(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path


class CrashWriter(Writer):
    """A writer that may stop before a commit, and after one that nobody hears of."""

    files: CrashFiles

    def _commit(self, jobs: "list[Job]") -> tuple[list[object], Told]:  # type: ignore[override]
        self.files.point("commit")
        done = super()._commit(jobs)
        self.files.point("commit")
        return done


@contextlib.contextmanager
def mortal_writer(files: CrashFiles) -> Iterator[None]:
    """A store that is opened inside has commits that are moments, too."""

    class Mortal(CrashWriter):
        pass

    Mortal.files = files
    with mock.patch("mailhub.store.sqlite.Writer", Mortal):
        yield


async def end_threads(store: SqliteStore) -> None:
    """A process that dies takes them along; what they still have to do fails. A store that could not be opened has none."""
    if not hasattr(store, "mailboxes"):
        return
    task = store._filer._task
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.mailboxes.watcher.stop()
    for lane in (store._filer.lane, store._reader, store._writer, store._names, store.mailboxes.staging):
        await lane.stop()
    for db in (store._filer._db, store._writer._db, *store._connections):
        if db is not None:
            db.close()
    store._pool.shutdown()
    store._syncs.shutdown()
    store._drop_lock()
